// Classes (PostgreSQL manual, appendix A): 08 connection, 28 authorization, 53 resources, 57 operator intervention, 58
// system error. 25006 is a server that only reads, such as a standby after a failover; 55P03 a lock that was not
// available within `lock_timeout`; 25P04 the end of a transaction by `transaction_timeout`.
const SERVER = /^(08|28|53|57|58)|^(25006|25P04|55P03)$/;

// The server closes the connection after errors of these severities. Nearly every failure to connect has one.
const CLOSING = /^(FATAL|PANIC)$/;

// serialization_failure, deadlock_detected: the transaction did nothing and may be repeated.
const REPEATABLE = /^(40001|40P01)$/;

// Errors of the driver and of TypeORM. Only those of the network have a code.
const NETWORK = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENET)/;
const DRIVER =
  /^(Connection terminated|Query read timeout|timeout exceeded when trying to connect|Client has encountered|Cannot use a pool after|Query runner already released|SASL|The server does not support SSL)/;

/** Whether a statement failed because the database cannot be reached or cannot do it now; repeating it may help. */
export function isUnavailable(error: unknown): boolean {
  const code = codeOf(error);
  const { severity = '' } = (error ?? {}) as { severity?: string };
  const message = error instanceof Error ? error.message : '';
  return (
    SERVER.test(code) || CLOSING.test(severity) || REPEATABLE.test(code) || NETWORK.test(code) || DRIVER.test(message)
  );
}

/** Whether the server has answered with an error; other errors are the driver's. */
export function isServerError(error: unknown): boolean {
  return /^[0-9A-Z]{5}$/.test(codeOf(error));
}

/** Whether the transaction did nothing and may be repeated at once. */
export function isRepeatable(error: unknown): boolean {
  return REPEATABLE.test(codeOf(error));
}

/**
 * Whether the connection still works after the error: the transaction may be repeated, or the server lacks resources. A
 * server whose disk is full may refuse new connections.
 */
export function keepsConnection(error: unknown): boolean {
  const { severity } = (error ?? {}) as { severity?: string };
  return isRepeatable(error) || (severity === 'ERROR' && codeOf(error).startsWith('53'));
}

/** The SQLSTATE, or the driver's own code. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

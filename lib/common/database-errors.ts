// Classes 08 connection, 53 resources, 57 operator intervention (PostgreSQL manual, appendix A); 25006 is a server that
// only reads, such as a standby after a failover; 55P03 a lock that did not come within `lock_timeout`, 25P04 an end by
// `transaction_timeout`.
const SERVER = /^(08|53|57)|^(25006|25P04|55P03)$/;

// serialization_failure, deadlock_detected: the transaction did nothing and may be repeated.
const REPEATABLE = /^(40001|40P01)$/;

// The driver's own errors, of which only those of the network have a code.
const NETWORK = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST|ENET)/;
const DRIVER =
  /^(Connection terminated|Query read timeout|timeout exceeded when trying to connect|Client has encountered)/;

/** Whether a statement failed because the database cannot be reached or cannot do it now; repeating it may help. */
export function isUnavailable(error: unknown): boolean {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : '';
  return SERVER.test(code) || REPEATABLE.test(code) || NETWORK.test(code) || DRIVER.test(message);
}

/** Whether the transaction did nothing and may be repeated at once. */
export function isRepeatable(error: unknown): boolean {
  return REPEATABLE.test(codeOf(error));
}

/** The SQLSTATE, or what the driver has in its place. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

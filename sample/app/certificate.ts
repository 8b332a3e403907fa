import { execFileSync } from 'node:child_process';

/**
 * Makes a self-signed certificate of one day and its key, which stay in this process's memory. Node makes no
 * certificates, and the openssl command is on nearly every machine: it saves a dependency. For development only.
 *
 * @throws Error where the openssl command is missing
 */
export function makeCertificate(): { readonly key: string; readonly cert: string } {
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const files = ['-keyout', '-', '-out', '-'];
  try {
    const pem = execFileSync('openssl', ['req', '-x509', '-days', '1', ...newKey, ...names, ...files], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // Each of the two is found in the text that has both.
    return { key: pem, cert: pem };
  } catch (error) {
    throw new Error('KEY_BINDING needs https, and the openssl command to make a certificate: install openssl', {
      cause: error,
    });
  }
}

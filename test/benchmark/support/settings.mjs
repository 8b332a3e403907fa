/**
 * The server's settings, for all contestants. Without `fsync` the speed of the disk is not what is measured, and what a
 * library does beside its statement weighs the most. All others are PostgreSQL's own, autovacuum among them.
 */
export const SETTINGS = ['fsync=off', 'max_connections=300', 'shared_buffers=512MB', 'max_wal_size=4GB'];

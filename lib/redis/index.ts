export { RedisAnnouncer, type RedisClient } from './redis-announcer.js';

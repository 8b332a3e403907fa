export { SessionClock } from '../common/clock.js';
export { TestClock } from './test-clock.js';
export { FakeSessionGuard, type FakeSession } from './fake-session.guard.js';
export { signInAs, type SignInOptions } from './sign-in-as.js';

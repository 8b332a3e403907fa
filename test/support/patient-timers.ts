import { SessionTimers } from '../../lib/common/clock.js';
import type { TestAppOptions } from './test-app.js';

class PatientTimers extends SessionTimers {
  override every(): NodeJS.Timeout {
    return this.after();
  }

  override after(): NodeJS.Timeout {
    return setTimeout(() => undefined).unref();
  }
}

/** Nothing happens by itself, so that the effects of a request can be told apart from background work. */
export const PATIENTLY: TestAppOptions = {
  override: builder => builder.overrideProvider(SessionTimers).useValue(new PatientTimers()),
};

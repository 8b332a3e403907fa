import { KnownDeviceEntity } from './known-device.entity.js';
import { SessionEntity } from './session.entity.js';
import { SigningKeyEntity } from './signing-key.entity.js';
import { UserAuthEntity } from './user-auth.entity.js';

/** The module's entities, for data sources that list theirs: `entities: [...SESSION_ENTITIES, …]`. */
export const SESSION_ENTITIES = [SessionEntity, UserAuthEntity, SigningKeyEntity, KnownDeviceEntity];

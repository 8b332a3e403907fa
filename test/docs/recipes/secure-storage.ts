import type { SessionTokens, SessionTokenStorage } from 'nestjs-jwt-session/client';

/** What expo-secure-store exports. */
interface SecureStore {
  getItemAsync(key: string): Promise<string | null>;
  setItemAsync(key: string, value: string): Promise<void>;
  deleteItemAsync(key: string): Promise<void>;
}

export function storageIn(store: SecureStore): SessionTokenStorage {
  return {
    load: async () => JSON.parse((await store.getItemAsync('session')) ?? 'null') as SessionTokens | null,
    save: tokens => store.setItemAsync('session', JSON.stringify(tokens)),
    clear: () => store.deleteItemAsync('session'),
  };
}

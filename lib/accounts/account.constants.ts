/** The data source that the module was given (`dataSource` option). */
export const ACCOUNT_DATA_SOURCE = Symbol('ACCOUNT_DATA_SOURCE');

/** The static options: those that must be known when the module is declared. */
export const ACCOUNT_MODULE_EXTRAS = Symbol('ACCOUNT_MODULE_EXTRAS');

/** The class of the accounts' rows: `AccountEntity`, or the application's own that extends it. */
export const ACCOUNT_ENTITY = Symbol('ACCOUNT_ENTITY');

import axios from 'axios';
import ky from 'ky';
import type { SessionFetch } from 'nestjs-jwt-session/client';
import createClient from 'openapi-fetch';

/** From axios 1.12 on. */
export const axiosWith = (api: SessionFetch, baseURL: string) =>
  axios.create({ baseURL, adapter: 'fetch', env: { fetch: api } });

export const kyWith = (api: SessionFetch) => ky.create({ fetch: api });

/** `Paths` comes from openapi-typescript. */
export const openApiWith = <Paths extends object>(api: SessionFetch, baseUrl: string) =>
  createClient<Paths>({ baseUrl, fetch: api });

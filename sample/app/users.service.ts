import { Injectable, NotFoundException, type OnModuleInit, UnauthorizedException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { hash, verify } from '@node-rs/argon2';
import { type EntityManager, Repository } from 'typeorm';
import { User } from './user.entity.js';

const USERS = [
  { username: 'ada', password: 'lovelace', role: 'admin' },
  { username: 'grace', password: 'hopper', role: 'user' },
] as const;

@Injectable()
export class UsersService implements OnModuleInit {
  private dummyHash!: string;

  constructor(@InjectRepository(User) private readonly users: Repository<User>) {}

  async onModuleInit(): Promise<void> {
    this.dummyHash = await hash('nobody');
    for (const { username, password, role } of USERS) {
      if (await this.users.existsBy({ username })) continue;
      const user = { username, role, passwordHash: await hash(password) };
      // Several instances may start at once.
      await this.users.createQueryBuilder().insert().values(user).orIgnore().execute();
    }
  }

  /** @throws UnauthorizedException with code `invalid_credentials`; it does not say which of the two was wrong */
  async authenticate(username: string, password: string): Promise<User> {
    const user = await this.users.findOneBy({ username });
    // A hash is computed in any case, so that the time taken does not tell which names exist.
    const matches = await verify(user?.passwordHash ?? this.dummyHash, password);
    if (!user || !matches) throw invalidCredentials();
    return user;
  }

  /** By name, without their passwords. */
  async list(): Promise<Pick<User, 'id' | 'username' | 'role'>[]> {
    const users = await this.users.find({ order: { username: 'ASC' } });
    return users.map(({ id, username, role }) => ({ id, username, role }));
  }

  /** @throws NotFoundException */
  async get(userId: string): Promise<User> {
    const user = await this.users.findOneBy({ id: userId });
    if (!user) throw new NotFoundException('There is no such user');
    return user;
  }

  async requirePassword(userId: string, password: string): Promise<void> {
    const user = await this.users.findOneByOrFail({ id: userId });
    if (!(await verify(user.passwordHash, password))) throw invalidCredentials();
  }

  async changePassword(userId: string, password: string, manager: EntityManager): Promise<void> {
    await manager.update(User, { id: userId }, { passwordHash: await hash(password) });
  }
}

function invalidCredentials(): UnauthorizedException {
  return new UnauthorizedException({
    statusCode: 401,
    error: 'Unauthorized',
    errorCode: 'invalid_credentials',
    message: 'Unknown user name or wrong password',
  });
}

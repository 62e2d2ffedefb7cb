// The one PostgreSQL backend: PGlite with TimescaleDB, in memory. It answers messages one at a time and knows no connections.

import fs from 'node:fs'
import { PGlite } from '@electric-sql/pglite'
import { timescaledb } from '@electric-sql/pglite/timescaledb'
import { bodyOf, messagesOf, query, SYNC, typeOf } from './wire.mjs'

const EXIT_CRASHED = 70

/** Settings that a server tells each client at its startup. */
const TOLD = ['server_version', 'server_encoding', 'client_encoding', 'DateStyle', 'IntervalStyle', 'TimeZone', 'integer_datetimes', 'standard_conforming_strings']

/** PGlite starts with settings for its own needs, which no server has; this undoes them. */
const USUAL_SETTINGS = `
set search_path to "$user", public;
set timezone to 'UTC';
set client_min_messages to notice;
set log_min_messages to warning;
set enable_seqscan to on;
set allow_system_table_mods to off;
set exit_on_error to off`

export class Backend {
  #database

  constructor(database) {
    this.#database = database
    this.command(USUAL_SETTINGS)
    this.settings = Object.fromEntries(TOLD.map((name) => [name, this.ask(`show ${name}`)]))
  }

  /**
   * A backend with the extension in an otherwise empty database.
   * @param {string | undefined} snapshot A file with the data directory, which saves the work of initdb; made if it is not there.
   */
  static async open(snapshot) {
    const isThere = snapshot !== undefined && fs.existsSync(snapshot)
    const loadDataDir = isThere ? new Blob([fs.readFileSync(snapshot)]) : undefined
    const database = await PGlite.create({ extensions: { timescaledb }, loadDataDir })
    await database.exec('create extension if not exists timescaledb')
    // In a data directory from a snapshot that was no work, so nothing has loaded the community part yet.
    const { rows } = await database.query("select extversion from pg_extension where extname = 'timescaledb'")
    for (const library of ['timescaledb', 'timescaledb-tsl']) await database.exec(`load '$libdir/${library}-${rows[0].extversion}'`)
    if (snapshot !== undefined && !isThere) await save(database, snapshot)
    return new Backend(database)
  }

  /** The replies to some messages. After an error, what follows is left out up to the next Sync, as the protocol wants it. */
  run(messages) {
    const replies = []
    let hasFailed = false
    for (const message of messages) {
      if (hasFailed && typeOf(message) !== 'S') continue
      hasFailed = false
      // One by one: given several, PGlite stops where a message ends on the edge of its receive buffer.
      for (const reply of messagesOf(this.runTogether(message))) {
        hasFailed ||= typeOf(reply) === 'E' && typeOf(message) !== 'Q'
        replies.push(reply)
      }
    }
    return replies
  }

  /** The bytes that answer these bytes: of one message, or of a COPY with its data. */
  runTogether(bytes) {
    try {
      // The answer lies in a buffer that PGlite uses again: copy it.
      return Buffer.from(this.#database.execProtocolRawSync(bytes))
    } catch (error) {
      console.error('the backend crashed:', error)
      process.exit(EXIT_CRASHED)
    }
  }

  /** Runs a statement of the server's own; false if it failed. */
  command(sql) {
    return this.run([query(sql)]).every((reply) => typeOf(reply) !== 'E')
  }

  /** The first column of the only row, as text. */
  ask(sql) {
    const row = this.run([query(sql)]).find((reply) => typeOf(reply) === 'D')
    return bodyOf(row).toString('utf8', 6)
  }

  /** Everything that a session leaves behind on a shared backend: settings, locks, temporary tables, prepared statements. */
  async forget() {
    this.command('discard all')
    this.command(USUAL_SETTINGS)
    // PGlite keeps what it has parsed of raw answers until a call of this kind.
    await this.#database.execProtocol(SYNC)
  }
}

/** Written beside and renamed, because several test workers may do it at once. */
async function save(database, snapshot) {
  const dump = await database.dumpDataDir('none')
  const unfinished = `${snapshot}.${process.pid}`
  fs.writeFileSync(unfinished, Buffer.from(await dump.arrayBuffer()))
  fs.renameSync(unfinished, snapshot)
}

// Whose turn it is on the one backend. A connection in a transaction keeps its turn; the others wait, first come, first served.

export class Turns {
  #waiting = []
  #patience

  /** @param {number} patience How long a connection waits for its turn, in milliseconds. */
  constructor(patience) {
    this.#patience = patience
    this.owner = null
  }

  /** Resolves to true when it is this session's turn, to false when it had to wait too long. */
  take(session) {
    if (this.owner !== session && this.owner?.stepAside()) this.owner = null
    if (this.owner === null || this.owner === session) {
      this.owner = session
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const place = { session, resolve, timer: setTimeout(() => this.#giveUp(place), this.#patience) }
      this.#waiting.push(place)
    })
  }

  /** Ends a session's turn, if it has it. */
  pass(session) {
    if (this.owner !== session) return
    const next = this.#waiting.shift()
    this.owner = next?.session ?? null
    if (!next) return
    clearTimeout(next.timer)
    next.resolve(true)
  }

  #giveUp(place) {
    this.#waiting.splice(this.#waiting.indexOf(place), 1)
    place.resolve(false)
  }
}

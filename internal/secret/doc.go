// Package secret makes and checks the secrets that Gatehouse gives out or is given: client secrets, refresh tokens, device
// codes, one-time links and passwords. It owns their text form (a prefix and a checksum that leak scanners find) and what is
// stored of them.
//
// Two hashes are enough. A secret with 256 random bits, or an imported one of MinKeyed characters or more, is stored as an HMAC
// under the installation's pepper: nobody can guess it, so a slow hash would only burn our time. A shorter one, and every
// password, is stored as argon2id, of which only a few run at once.
//
// The package keeps nothing on disk and imports nothing of Gatehouse but iam.
package secret

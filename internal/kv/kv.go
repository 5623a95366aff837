// Package kv is the storage waist: the few methods that everything durable goes through, and the contract that both engines
// keep (boltkv, rediskv) and that one suite checks (kvtest). It knows nothing of what is stored and imports nothing of Gatehouse.
//
// A store is divided into units. A transaction touches one unit: on Redis a unit is a hash tag and so a slot of a cluster,
// on the embedded engine a prefix. Nothing is atomic across units.
package kv

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Unit is what a transaction may touch: 1 to 128 printable bytes without space { } ;. A unit with a colon is one of many that come
// and go: an engine remembers nothing about it.
type Unit string

// A Version is a record's age. 0 means absent; it grows on every write of a key, never repeats (not after a delete or an
// expiry either), and serves as the HTTP ETag of what is stored. Its scale is microseconds since 1970 or one more than the
// highest version that the transaction saw, whichever is later.
type Version uint64

// A Cursor is an opaque position in a unit's log; "" is before the first entry.
type Cursor string

// A Coll is a collection of records, declared once. Indexed: List works. Ephemeral: every Put must have ExpiresAt.
type Coll struct {
	Name               string // 1 to 16 of a-z
	Indexed, Ephemeral bool
}

// A Key names a record in a unit. ID has 1 to 256 bytes of the alphabet of Unit.
type Key struct {
	Coll *Coll
	ID   string
}

// An Item is a record as read. Version 0: absent or expired, and the other fields but ID are zero.
type Item struct {
	ID        string
	Version   Version
	Value     []byte    // the caller may keep it and must not change it
	ExpiresAt time.Time // zero: never; precise to the millisecond
}

// A Check demands that a record still has the version that the caller read; 0 demands that it is absent.
type Check struct {
	Key     Key
	Version Version
}

// A Put writes a record. ExpiresAt zero: never; a time in the past is ErrInvalid. Value has at most MaxValue bytes.
type Put struct {
	Key       Key
	Value     []byte
	ExpiresAt time.Time
}

// An Ack says what must have happened before Apply returns nil.
type Ack int

// AckPrimary: the embedded engine has synced its file, the Redis primary has answered. AckSafe: in addition as many Redis
// replicas as configured have it; the embedded engine makes no difference.
const (
	AckPrimary Ack = iota
	AckSafe
)

// A Tx is applied whole or not at all. It has at most MaxOps checks, puts, deletes and events together and touches a key once.
// ID is a nonce of 12 characters, made by NewTxID, that makes a retry after ErrUnavailable safe: the same ID is never applied
// twice while one of its puts still stands.
type Tx struct {
	ID      string
	Checks  []Check
	Puts    []Put
	Deletes []Key    // deleting an absent record is no fault
	Events  [][]byte // appended to the unit's log in the same step; at most MaxValue bytes each
	Ack     Ack
}

// A Result tells what an applied transaction was given. Version is that of all its puts; Cursor that of its last event, ""
// when it had none. Replayed: an earlier attempt with the same ID had already been applied, and Cursor is "".
type Result struct {
	Version  Version
	Cursor   Cursor
	Replayed bool
}

// ListOptions selects a page: IDs that start with Prefix and come bytewise after After. Limit 1 to 1000.
type ListOptions struct {
	Prefix, After string
	Limit         int
	KeysOnly      bool // Items have ID and, where it costs nothing, Version
}

// A Page is in bytewise order of ID. Next is the After of the following page, "" at the end. Each item was current at some
// moment during the call; the page is no snapshot.
type Page struct {
	Items []Item
	Next  string
}

// An Entry is an event in a unit's log.
type Entry struct {
	Cursor Cursor
	Data   []byte
}

// Health describes an engine that answers. Warnings are sentences for an operator: what is at risk and what to change.
type Health struct {
	Engine   string // "bbolt 1.5.0", "redis 7.0.15 standalone"
	Warnings []string
}

// The limits of a transaction.
const (
	MaxValue = 256 << 10
	MaxOps   = 64
	MaxPage  = 1000

	MaxLogPage = 256
)

// The errors of a Store; compare with errors.Is. Nothing else crosses the waist, no engine's own error does.
var (
	// ErrConflict: a check failed and nothing was applied. errors.As gives a *ConflictError.
	ErrConflict = errors.New("kv: conflict")
	// ErrUnavailable: the engine does not answer. Nothing was applied, or it is not known: retry with the same Tx.
	ErrUnavailable = errors.New("kv: store unavailable")
	// ErrUnconfirmed: applied on the primary, not confirmed by enough replicas: retry with the same Tx.
	ErrUnconfirmed = errors.New("kv: write not confirmed by replicas")
	// ErrGap: the log no longer holds the cursor (trimmed, or history lost in a failover): read the records again.
	ErrGap = errors.New("kv: gap in log")
	// ErrInvalid: the call breaks the contract; a fault of ours.
	ErrInvalid = errors.New("kv: invalid call")
	// ErrCorrupt: what is stored is not what was written, or not ours.
	ErrCorrupt = errors.New("kv: store corrupt")
)

// A ConflictError says which check failed and what version the record has.
type ConflictError struct {
	Check   int // index into Tx.Checks
	Current Version
}

// Error describes the conflict.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("kv: conflict at check %d: record has version %d", e.Check, e.Current)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// A Store is an engine. Its methods may be called at once from many goroutines. A write that was begun is never abandoned
// because ctx ended: its outcome is known or ErrUnavailable is returned. A call whose ctx has ended before it began does nothing
// and returns ErrUnavailable; so does every call after Close.
type Store interface {
	// Get reads records in one consistent snapshot. An absent record is an Item of Version 0, not an error.
	Get(ctx context.Context, u Unit, keys ...Key) ([]Item, error)
	// Apply applies tx when all its checks hold. Replay is looked for before the checks.
	Apply(ctx context.Context, u Unit, tx Tx) (Result, error)
	// List reads a page of an Indexed collection; of another it is ErrInvalid.
	List(ctx context.Context, u Unit, c *Coll, o ListOptions) (Page, error)
	// ReadLog returns up to limit entries after the cursor, in commit order, and waits up to wait for the first. Of a limit up to
	// MaxLogPage, fewer than that many mean that there were no more at that moment. It returns
	// no entries and no error when there are none: the caller then knows that it was current a moment ago. A cursor that the
	// log does not hold is ErrGap, whatever it looks like: it may come from a stranger, another engine or a lost history.
	// limit is 1 to MaxPage; wait at most 0 returns at once.
	ReadLog(ctx context.Context, u Unit, after Cursor, limit int, wait time.Duration) ([]Entry, error)
	// LogTail returns the cursor of the newest entry, "" when there is none.
	LogTail(ctx context.Context, u Unit) (Cursor, error)
	// TrimLog drops entries older than before, but never the newest.
	TrimLog(ctx context.Context, u Unit, before time.Time) error
	// Scan calls fn for every live record of the store, in no order and at least once, and stops at fn's first error, which it
	// returns. It is no snapshot, and fn may call the store.
	Scan(ctx context.Context, fn func(u Unit, coll string, it Item) error) error
	// Health asks the engine how it is. An engine that should not be used answers with an error.
	Health(ctx context.Context) (Health, error)
	// Close waits for writes under way. A second Close does nothing.
	Close() error
}

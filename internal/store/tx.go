package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// A Tx is a change to the directory under way. Its reads come from the store itself and become conditions: if any of them has
// changed when the transaction is applied, it runs again from the start. Its writes are seen by its own later reads.
type Tx struct {
	ctx   context.Context
	store *Store
	reads map[kv.Key]seen
	puts  map[kv.Key]write
	order []kv.Key // of puts, so that a transaction is the same bytes each time
	undo  []undo   // what Try takes back
	peeks bool     // reads are no conditions at the moment
	safe  bool
	err   error
}

// seen is a record as a transaction read it; decides says that the transaction holds only while the record is still that.
type seen struct {
	kv.Item
	decides bool
}

type undo struct {
	key    kv.Key
	before write
	had    bool
}

func newTx(ctx context.Context, s *Store) *Tx {
	return &Tx{ctx: ctx, store: s, reads: make(map[kv.Key]seen), puts: make(map[kv.Key]write)}
}

type write struct {
	value  []byte // nil: delete
	delete bool
}

const maxAttempts = 24

// Update runs fn until what it read and decided on is what the store holds when its writes are applied, all of them at once.
// fn may run several times and must not keep anything of an earlier run. An error of fn ends the update and changes nothing.
func (s *Store) Update(ctx context.Context, fn func(tx *Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	for attempt := range maxAttempts {
		tx := newTx(ctx, s)
		if err := fn(tx); err != nil {
			return err
		}
		if tx.err != nil {
			return tx.err
		}
		if len(tx.order) == 0 {
			return nil
		}
		err := tx.commit()
		if !errors.Is(err, kv.ErrConflict) {
			return unavailable(err)
		}
		select { // somebody was faster; spread out those who try again
		case <-ctx.Done():
			return unavailable(ctx.Err())
		case <-time.After(rand.N(time.Duration(attempt+1) * time.Millisecond)):
		}
	}
	return errBusy
}

// View runs fn on the store as it is and writes nothing: fn sees what its own writes would make of it. It reads past the cache.
func (s *Store) View(ctx context.Context, fn func(tx *Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	tx := newTx(ctx, s)
	tx.peeks = true
	if err := fn(tx); err != nil {
		return err
	}
	return tx.err
}

// Try runs a part of a transaction and takes back what it wrote if it fails.
func (tx *Tx) Try(fn func() error) error {
	begin := len(tx.undo)
	err := fn()
	if err == nil {
		return nil
	}
	for i := len(tx.undo) - 1; i >= begin; i-- {
		u := tx.undo[i]
		if u.had {
			tx.puts[u.key] = u.before
			continue
		}
		delete(tx.puts, u.key)
		tx.order = tx.order[:len(tx.order)-1] // keys were appended in the order of undo
	}
	tx.undo = tx.undo[:begin]
	return err
}

// Writes returns how many writes the transaction has seen; whoever asks twice knows whether there was one between.
func (tx *Tx) Writes() int { return len(tx.undo) }

// Peek runs fn, whose reads decide nothing that could become untrue while the transaction runs: they are no conditions of it.
func (tx *Tx) Peek(fn func() error) error {
	outer := tx.peeks
	tx.peeks = true
	defer func() { tx.peeks = outer }()
	return fn()
}

func (tx *Tx) commit() error {
	ktx := kv.Tx{ID: kv.NewTxID()}
	if tx.safe {
		ktx.Ack = kv.AckSafe
	}
	for k, it := range tx.reads {
		if it.decides {
			ktx.Checks = append(ktx.Checks, kv.Check{Key: k, Version: it.Version})
		}
	}
	names := make([]string, 0, len(tx.order))
	for _, k := range tx.order {
		names = append(names, k.Coll.Name+" "+k.ID)
		if w := tx.puts[k]; w.delete {
			ktx.Deletes = append(ktx.Deletes, k)
		} else {
			ktx.Puts = append(ktx.Puts, kv.Put{Key: k, Value: w.value})
		}
	}
	event, err := json.Marshal(change{Keys: names, Rev: kv.Version(tx.store.now().UnixMicro())})
	if err != nil {
		return fmt.Errorf("encode change: %w", err)
	}
	ktx.Events = [][]byte{event}
	if n := len(ktx.Checks) + len(ktx.Puts) + len(ktx.Deletes) + len(ktx.Events); n > kv.MaxOps {
		return iam.Refuse(iam.Invalid, "too_large", "the change takes %d steps; at most %d can be made at once: make it in parts", n, kv.MaxOps)
	}
	if tx.store.lost.Load() {
		return errLost
	}
	// What was decided is carried out even if the caller has gone: half of the retries would leave it unknown.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tx.ctx), tx.store.budget)
	defer cancel()
	result, err := apply(ctx, tx.store.kv, directoryUnit(), ktx)
	// Forget even after a failure: the outcome may be unknown, and reading again is always right.
	tx.store.changed(names)
	tx.store.sawRevision(result.Version)
	return err
}

// apply retries one transaction, which carries its nonce, while the engine cannot say whether it was applied.
func apply(ctx context.Context, engine kv.Store, u kv.Unit, ktx kv.Tx) (kv.Result, error) {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		result, err := engine.Apply(ctx, u, ktx)
		if !errors.Is(err, kv.ErrUnavailable) && !errors.Is(err, kv.ErrUnconfirmed) {
			return result, err
		}
		select {
		case <-ctx.Done():
			return result, err
		case <-time.After(pause):
		}
	}
}

// Safe makes the transaction wait for the replicas that the configuration asks for: for changes that take a right away.
func (tx *Tx) Safe() { tx.safe = true }

// fail remembers the first error of a read or write, so that callers ask once.
func (tx *Tx) fail(err error) error {
	if tx.err == nil {
		tx.err = unavailable(err)
	}
	return tx.err
}

// read returns a record for this transaction, nil when it is absent. The record is the caller's to change.
func read[T any](tx *Tx, c collection[T], id string) (*T, error) {
	k := c.key(id)
	if w, ok := tx.puts[k]; ok {
		if w.delete {
			return nil, nil
		}
		return c.decode(id, w.value)
	}
	it, ok := tx.reads[k]
	if !ok {
		if !kv.ValidID(id) {
			return nil, nil
		}
		items, err := tx.store.kv.Get(tx.ctx, directoryUnit(), k)
		if err == nil && tx.store.lost.Load() {
			err = errLost
		}
		if err != nil {
			return nil, tx.fail(err)
		}
		it.Item = items[0]
	}
	it.decides = it.decides || !tx.peeks
	tx.reads[k] = it
	if it.Version == 0 {
		return nil, nil
	}
	v, err := c.decode(id, it.Value)
	if err != nil {
		return nil, tx.fail(err)
	}
	return v, nil
}

func put[T any](tx *Tx, c collection[T], id string, v *T) error {
	data, err := c.encode(v)
	if err != nil {
		return tx.fail(err)
	}
	if len(data) > kv.MaxValue {
		return iam.Refuse(iam.Invalid, "too_large", "the record would take %d bytes; at most %d are kept", len(data), kv.MaxValue)
	}
	tx.set(c.key(id), write{value: data})
	return nil
}

func remove[T any](tx *Tx, c collection[T], id string) { tx.set(c.key(id), write{delete: true}) }

func (tx *Tx) set(k kv.Key, w write) {
	before, had := tx.puts[k]
	if !had {
		tx.order = append(tx.order, k)
	}
	tx.undo = append(tx.undo, undo{key: k, before: before, had: had})
	tx.puts[k] = w
}

// rename keeps a name index true: the name at to becomes id's, the one at from is given up. Either may be "". A name that is
// somebody else's is refused as name_taken.
func (tx *Tx) rename(index collection[ref], from, to, id, what, name string) error {
	if from == to {
		return nil
	}
	if to != "" {
		held, err := read(tx, index, to)
		if err != nil {
			return err
		}
		if held != nil && held.ID != id {
			return iam.Refuse(iam.Conflict, "name_taken", "%s %q exists already", what, name)
		}
		if err := put(tx, index, to, &ref{ID: id}); err != nil {
			return err
		}
	}
	if from != "" {
		remove(tx, index, from)
	}
	return nil
}

package boltkv

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// Apply applies tx when all its checks hold and returns once it is on disk, also when ctx ends meanwhile.
func (s *Store) Apply(ctx context.Context, u kv.Unit, tx kv.Tx) (kv.Result, error) {
	if err := kv.CheckTx(u, tx, s.now()); err != nil {
		return kv.Result{}, err
	}
	size := 0
	for _, p := range tx.Puts {
		size += len(p.Value) + offValue
	}
	for _, e := range tx.Events {
		size += len(e) + logOffData
	}
	var res kv.Result
	err := s.write(ctx, size, func(b *batch) (err error) {
		res, err = b.apply(u, tx)
		return err
	})
	if err != nil {
		return kv.Result{}, err
	}
	return res, nil
}

// An old is what a key that is about to be written holds.
type old struct {
	key    []byte
	exists bool
	expiry uint64
}

// apply reads everything first: once it writes, nothing of its own can refuse it.
func (b *batch) apply(u kv.Unit, tx kv.Tx) (kv.Result, error) {
	puts := make([]old, len(tx.Puts))
	var standing uint64
	for i, p := range tx.Puts {
		key := recordKey(u, p.Key)
		r, err := decodeRecord(key, b.records.Get(key))
		if err != nil {
			return kv.Result{}, err
		}
		puts[i] = old{key, r.version != 0, r.expiry}
		if r.live(b.nowMS) && string(r.txID) == tx.ID {
			standing = r.version
		}
	}
	if standing != 0 {
		return kv.Result{Version: kv.Version(standing), Replayed: true}, nil
	}
	for i, c := range tx.Checks {
		key := recordKey(u, c.Key)
		r, err := decodeRecord(key, b.records.Get(key))
		if err != nil {
			return kv.Result{}, err
		}
		var current kv.Version
		if r.live(b.nowMS) {
			current = kv.Version(r.version)
		}
		if current != c.Version {
			return kv.Result{}, &kv.ConflictError{Check: i, Current: current}
		}
	}
	deletes := make([]old, len(tx.Deletes))
	for i, k := range tx.Deletes {
		key := recordKey(u, k)
		r, err := decodeRecord(key, b.records.Get(key))
		if err != nil {
			return kv.Result{}, err
		}
		deletes[i] = old{key, r.version != 0, r.expiry}
	}

	var res kv.Result
	if len(tx.Puts) > 0 {
		res.Version = kv.Version(b.next())
	}
	for i, p := range tx.Puts {
		var expiry uint64
		if !p.ExpiresAt.IsZero() {
			expiry = millis(p.ExpiresAt)
		}
		if puts[i].expiry != expiry {
			b.moveExpiry(puts[i], expiry)
		}
		b.put(b.records, puts[i].key, encodeRecord(puts[i].key, uint64(res.Version), expiry, tx.ID, p.Value))
	}
	for _, o := range deletes {
		if o.exists {
			b.moveExpiry(o, 0)
			b.delete(b.records, o.key)
		}
	}
	for _, e := range tx.Events {
		key := logKey(u, b.next())
		b.put(b.log, key, encodeEvent(key, e))
		b.touched[u] = true
		res.Cursor = cursorOf(key)
	}
	return res, nil
}

// moveExpiry keeps the expiry bucket in step with a record whose expiry changes; 0 is never.
func (b *batch) moveExpiry(o old, expiry uint64) {
	if o.expiry != 0 {
		b.delete(b.expiry, expiryKey(o.expiry, o.key))
	}
	if expiry != 0 {
		b.put(b.expiry, expiryKey(expiry, o.key), nil)
	}
}

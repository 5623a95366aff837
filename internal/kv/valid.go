package kv

import (
	"crypto/rand"
	"fmt"
	"time"
)

// NewTxID returns a fresh Tx.ID of 60 random bits.
func NewTxID() string { return rand.Text()[:12] }

func printable(s string, max int) bool {
	if len(s) == 0 || len(s) > max {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ', c >= 0x7f, c == '{', c == '}', c == ';':
			return false
		}
	}
	return true
}

// ValidID reports whether s may be the ID of a record.
func ValidID(s string) bool { return printable(s, 256) }

// CheckUnit returns ErrInvalid for a malformed unit.
func CheckUnit(u Unit) error {
	if !printable(string(u), 128) {
		return fmt.Errorf("%w: unit %q", ErrInvalid, string(u))
	}
	return nil
}

// CheckKeys returns ErrInvalid for the first malformed key.
func CheckKeys(keys ...Key) error {
	for _, k := range keys {
		if err := checkColl(k.Coll); err != nil {
			return err
		}
		if !ValidID(k.ID) {
			return fmt.Errorf("%w: key %q", ErrInvalid, k.ID)
		}
	}
	return nil
}

func checkColl(c *Coll) error {
	if c == nil {
		return fmt.Errorf("%w: no collection", ErrInvalid)
	}
	valid := len(c.Name) >= 1 && len(c.Name) <= 16
	for i := range len(c.Name) {
		valid = valid && 'a' <= c.Name[i] && c.Name[i] <= 'z'
	}
	if !valid {
		return fmt.Errorf("%w: collection %q", ErrInvalid, c.Name)
	}
	return nil
}

// CheckList returns ErrInvalid for a List that breaks the contract. Prefix and After may hold any bytes: they come from
// strangers' page cursors.
func CheckList(u Unit, c *Coll, o ListOptions) error {
	if err := CheckUnit(u); err != nil {
		return err
	}
	if err := checkColl(c); err != nil {
		return err
	}
	if !c.Indexed {
		return fmt.Errorf("%w: list of %s, which has no index", ErrInvalid, c.Name)
	}
	return checkLimit(o.Limit)
}

// CheckRead returns ErrInvalid for a ReadLog that breaks the contract.
func CheckRead(u Unit, limit int) error {
	if err := CheckUnit(u); err != nil {
		return err
	}
	return checkLimit(limit)
}

func checkLimit(limit int) error {
	if limit < 1 || limit > MaxPage {
		return fmt.Errorf("%w: limit %d, want 1 to %d", ErrInvalid, limit, MaxPage)
	}
	return nil
}

// CheckTx returns ErrInvalid for a transaction that breaks the contract. Both engines call it before anything else.
func CheckTx(u Unit, tx Tx, now time.Time) error {
	if err := CheckUnit(u); err != nil {
		return err
	}
	if len(tx.ID) != 12 || !printable(tx.ID, 12) {
		return fmt.Errorf("%w: transaction id %q", ErrInvalid, tx.ID)
	}
	n := len(tx.Checks) + len(tx.Puts) + len(tx.Deletes) + len(tx.Events)
	if n == 0 || n > MaxOps {
		return fmt.Errorf("%w: transaction of %d operations, want 1 to %d", ErrInvalid, n, MaxOps)
	}
	for _, c := range tx.Checks {
		if err := CheckKeys(c.Key); err != nil {
			return err
		}
	}
	written := make(map[string]bool, len(tx.Puts)+len(tx.Deletes))
	write := func(k Key) error {
		if err := CheckKeys(k); err != nil {
			return err
		}
		name := k.Coll.Name + ":" + k.ID
		if written[name] {
			return fmt.Errorf("%w: %s is written twice", ErrInvalid, name)
		}
		written[name] = true
		return nil
	}
	for _, p := range tx.Puts {
		switch {
		case len(p.Value) > MaxValue:
			return fmt.Errorf("%w: value of %s has %d bytes, at most %d", ErrInvalid, p.Key.ID, len(p.Value), MaxValue)
		case p.Key.Coll != nil && p.Key.Coll.Ephemeral && p.ExpiresAt.IsZero():
			return fmt.Errorf("%w: %s needs an expiry", ErrInvalid, p.Key.ID)
		case !p.ExpiresAt.IsZero() && !p.ExpiresAt.After(now):
			return fmt.Errorf("%w: %s would already be expired", ErrInvalid, p.Key.ID)
		}
		if err := write(p.Key); err != nil {
			return err
		}
	}
	for _, k := range tx.Deletes {
		if err := write(k); err != nil {
			return err
		}
	}
	for i, e := range tx.Events {
		if len(e) > MaxValue {
			return fmt.Errorf("%w: event %d has %d bytes, at most %d", ErrInvalid, i, len(e), MaxValue)
		}
	}
	return nil
}

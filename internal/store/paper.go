package store

import "context"

// Paper runs fn on the store as it is and writes nothing, as View does, but is bounded by ctx alone: it is for plans that read
// much of the store.
func (s *Store) Paper(ctx context.Context, fn func(tx *Tx) error) error {
	tx := newTx(ctx, s)
	tx.peeks = true
	if err := fn(tx); err != nil {
		return err
	}
	return tx.err
}

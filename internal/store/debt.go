package store

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// A debt is the revocation that a change of the directory calls for. It is written with the change and forgotten when the mark
// is known to be written, so that a crash between the two, which lie in different units, loses no mark.
type debt struct {
	Kind iam.RevocationKind `json:"kind"`
	ID   string             `json:"id"`
}

// Owe notes that the transaction, once applied, calls for a mark.
func (tx *Tx) Owe(ref iam.RevocationRef) error {
	return put(tx, debts, ref.String(), &debt{Kind: ref.Kind, ID: ref.ID})
}

// Owes reports whether a mark is still owed.
func (tx *Tx) Owes(ref iam.RevocationRef) (bool, error) {
	d, err := read(tx, debts, ref.String())
	return d != nil, err
}

// Paid notes that a mark is written. The transaction must have asked Owes before the mark was: a debt made since then stands.
func (tx *Tx) Paid(ref iam.RevocationRef) { remove(tx, debts, ref.String()) }

// Owed lists the marks that are owed.
func (s *Store) Owed(ctx context.Context) ([]iam.RevocationRef, error) {
	var out []iam.RevocationRef
	for p := (PageOptions{Limit: kv.MaxPage}); ; {
		page, err := list(ctx, s, directoryUnit(), debts, "", p, func(_ string, d *debt) (iam.RevocationRef, bool, error) {
			return iam.RevocationRef{Kind: d.Kind, ID: d.ID}, true, nil
		})
		if err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if page.Next == "" {
			return out, nil
		}
		p.After = page.Next
	}
}

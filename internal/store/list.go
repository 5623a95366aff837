package store

import (
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// PageOptions ask for a page. After is the Next of the page before; Limit is 1 to kv.MaxPage, 0 means 100.
type PageOptions struct {
	After string
	Limit int
}

// A Page is a part of a list. Next is "" at the end.
type Page[T any] struct {
	Items []T
	Next  string
}

// list reads a page of an index below prefix and turns each id (without the prefix) and value into a T.
func list[R, T any](ctx context.Context, s *Store, u kv.Unit, index collection[R], prefix string, p PageOptions,
	each func(id string, r *R) (T, bool, error)) (Page[T], error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	if p.Limit == 0 {
		p.Limit = 100
	}
	if p.Limit < 1 || p.Limit > kv.MaxPage {
		return Page[T]{}, iam.Errorf(iam.Invalid, "page size %d: want 1 to %d", p.Limit, kv.MaxPage)
	}
	after := ""
	if p.After != "" {
		after = prefix + p.After
		if !kv.ValidID(after) {
			return Page[T]{}, iam.Errorf(iam.Invalid, "page token %q is not one of ours", p.After)
		}
	}
	page, err := s.kv.List(ctx, u, index.Coll, kv.ListOptions{Prefix: prefix, After: after, Limit: p.Limit})
	if err != nil {
		return Page[T]{}, unavailable(err)
	}
	if s.lost.Load() {
		return Page[T]{}, errLost
	}
	out := Page[T]{Items: make([]T, 0, len(page.Items))}
	for _, it := range page.Items {
		r, err := index.decode(it.ID, it.Value)
		if err != nil {
			return Page[T]{}, err
		}
		v, ok, err := each(it.ID[len(prefix):], r)
		if err != nil {
			return Page[T]{}, err
		}
		if ok {
			out.Items = append(out.Items, v)
		}
	}
	if page.Next != "" {
		out.Next = page.Next[len(prefix):]
	}
	return out, nil
}

// listRefs lists the records that a name index points at, by name.
func listRefs[T any](ctx context.Context, s *Store, index collection[ref], prefix string, p PageOptions, of collection[T]) (Page[*T], error) {
	return list(ctx, s, directoryUnit(), index, prefix, p, func(_ string, r *ref) (*T, bool, error) {
		v, err := cached(ctx, s, of, r.ID)
		return v, v != nil, err
	})
}

// listIDs lists the records whose ids an index carries.
func listIDs[T any](ctx context.Context, s *Store, index collection[none], prefix string, p PageOptions, of collection[T]) (Page[*T], error) {
	return list(ctx, s, directoryUnit(), index, prefix, p, func(id string, _ *none) (*T, bool, error) {
		v, err := cached(ctx, s, of, id)
		return v, v != nil, err
	})
}

// ids lists the ids of an index below prefix, without it, as the transaction sees them. The caller makes sure that something it
// has read in the transaction changes with the index.
func ids[T any](tx *Tx, index collection[T], prefix string) ([]string, error) {
	var out []string
	for o := (kv.ListOptions{Prefix: prefix, Limit: kv.MaxPage, KeysOnly: true}); ; {
		page, err := tx.store.kv.List(tx.ctx, directoryUnit(), index.Coll, o)
		if err != nil {
			return nil, tx.fail(err)
		}
		for _, it := range page.Items {
			if _, ok := tx.puts[index.key(it.ID)]; !ok {
				out = append(out, it.ID[len(prefix):])
			}
		}
		if page.Next == "" {
			break
		}
		o.After = page.Next
	}
	for _, k := range tx.order {
		if k.Coll == index.Coll && strings.HasPrefix(k.ID, prefix) && !tx.puts[k].delete {
			out = append(out, k.ID[len(prefix):])
		}
	}
	slices.Sort(out)
	return out, nil
}

// anyID reports whether an index has an entry below prefix. The caller makes sure that something it has read in the
// transaction changes with the index.
func anyID[T any](tx *Tx, index collection[T], prefix string) (bool, error) {
	for _, k := range tx.order {
		if k.Coll == index.Coll && strings.HasPrefix(k.ID, prefix) && !tx.puts[k].delete {
			return true, nil
		}
	}
	for o := (kv.ListOptions{Prefix: prefix, Limit: 100, KeysOnly: true}); ; {
		page, err := tx.store.kv.List(tx.ctx, directoryUnit(), index.Coll, o)
		if err != nil {
			return false, tx.fail(err)
		}
		for _, it := range page.Items {
			if w, ok := tx.puts[index.key(it.ID)]; !ok || !w.delete {
				return true, nil
			}
		}
		if page.Next == "" {
			return false, nil
		}
		o.After = page.Next
	}
}

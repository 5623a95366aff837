package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// How long activity is kept. It is no audit log: it ends by itself, and a crash may lose the newest part of it.
const (
	FailuresKept = 30 * 24 * time.Hour
	UsesKept     = 400 * 24 * time.Hour
	DeniedKept   = 24 * time.Hour
)

// useGrain is how exact a last use is: a newer one is written when it is at least so much newer, by whichever replica.
const useGrain = time.Minute

// activityBatch is how many records of activity are written at once; some take two keys.
const activityBatch = 25

// A use is the record of an iam.LastUse; its id says of what.
type use struct {
	At time.Time `json:"at"`
}

// PutFailures writes counts of a replica. A count replaces the one that the same replica wrote for the same subject, network and
// minute; those of several replicas add up when they are read.
func (s *Store) PutFailures(ctx context.Context, replica string, list []iam.FailedAuthentications) error {
	return putActivity(ctx, s, list, func(counted *iam.FailedAuthentications) (_ []kv.Put, err error) {
		f := *counted // the caller's stays as it is
		if f.Organization, err = s.organizationAt(ctx, f.Organization); err != nil {
			return nil, err
		}
		value, err := failures.encode(&f)
		return []kv.Put{{Key: failures.key(failureID(&f, replica)), Value: value, ExpiresAt: f.Minute.Add(FailuresKept)}}, err
	})
}

// organizationAt returns the organization at a node or above it, to whose owners the activity of the node's clients is told; where
// there is none, the node.
func (s *Store) organizationAt(ctx context.Context, n iam.NodeID) (iam.NodeID, error) {
	path, err := s.Path(ctx, n)
	for _, above := range path {
		if above.Level == iam.LevelOrganization {
			return above.ID, nil
		}
	}
	return n, err
}

// PutDenied writes refused token requests. Of two with one request id, which a client chooses, the first stands.
func (s *Store) PutDenied(ctx context.Context, list []iam.DeniedRequest) error {
	for part := range chunks(list) {
		keys := make([]kv.Key, 0, len(part))
		for i := range part {
			keys = append(keys, denials.key(part[i].RequestID))
		}
		there, err := s.getActivity(ctx, keys...)
		if err != nil {
			return err
		}
		taken := make(map[string]bool, len(part))
		for i, it := range there {
			taken[keys[i].ID] = it.Version != 0
		}
		fresh := make([]iam.DeniedRequest, 0, len(part))
		for _, d := range part {
			if taken[d.RequestID] {
				continue
			}
			taken[d.RequestID] = true
			if d.Home, err = s.organizationAt(ctx, d.Home); err != nil {
				return err
			}
			fresh = append(fresh, d)
		}
		err = putActivity(ctx, s, fresh, func(d *iam.DeniedRequest) ([]kv.Put, error) {
			value, err := denials.encode(d)
			if err != nil {
				return nil, err
			}
			pointer, err := deniedAt.encode(&ref{ID: d.RequestID})
			until := d.At.Add(DeniedKept)
			return []kv.Put{
				{Key: denials.key(d.RequestID), Value: value, ExpiresAt: until},
				{Key: deniedAt.key(denialID(d)), Value: pointer, ExpiresAt: until},
			}, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// PutUses writes last uses. One that is hardly newer than what is there, from this replica or another, is not written.
func (s *Store) PutUses(ctx context.Context, list []iam.LastUse) error {
	for part := range chunks(list) {
		keys := make([]kv.Key, 0, len(part))
		for i := range part {
			keys = append(keys, uses.key(useID(part[i].Use)))
		}
		there, err := s.getActivity(ctx, keys...)
		if err != nil {
			return err
		}
		newer := make([]iam.LastUse, 0, len(part))
		for i, u := range part {
			if there[i].Version != 0 {
				old, err := uses.decode(keys[i].ID, there[i].Value)
				if err != nil {
					return err
				}
				if u.At.Sub(old.At) < useGrain {
					continue
				}
			}
			newer = append(newer, u)
		}
		err = putActivity(ctx, s, newer, func(u *iam.LastUse) ([]kv.Put, error) {
			value, err := uses.encode(&use{At: u.At})
			return []kv.Put{{Key: uses.key(useID(u.Use)), Value: value, ExpiresAt: u.At.Add(UsesKept)}}, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// SecretUsed returns when a secret of a client was used last, to about a minute; zero: never, or not within UsesKept.
func (s *Store) SecretUsed(ctx context.Context, client iam.ClientID, secret iam.SecretID) (time.Time, error) {
	return s.lastUse(ctx, iam.Use{Subject: client.Subject(), Secret: secret})
}

// SecretsUsed is SecretUsed for several secrets of a client; one that was not used is left out.
func (s *Store) SecretsUsed(ctx context.Context, client iam.ClientID, secrets ...iam.SecretID) (map[iam.SecretID]time.Time, error) {
	keys := make([]kv.Key, len(secrets))
	for i, id := range secrets {
		keys[i] = uses.key(useID(iam.Use{Subject: client.Subject(), Secret: id}))
	}
	items, err := s.getActivity(ctx, keys...)
	if err != nil {
		return nil, err
	}
	out := make(map[iam.SecretID]time.Time, len(secrets))
	for i, it := range items {
		if it.Version == 0 {
			continue
		}
		u, err := uses.decode(keys[i].ID, it.Value)
		if err != nil {
			return nil, err
		}
		out[secrets[i]] = u.At
	}
	return out, nil
}

// SubjectUsed returns when a subject last got a token that speaks for it in an organization, to about a minute; zero: never, or
// not within UsesKept.
func (s *Store) SubjectUsed(ctx context.Context, org iam.NodeID, subject iam.Subject) (time.Time, error) {
	return s.lastUse(ctx, iam.Use{Organization: org, Subject: subject})
}

func (s *Store) lastUse(ctx context.Context, u iam.Use) (time.Time, error) {
	got, err := activityOf(ctx, s, uses, useID(u))
	if err != nil || got == nil {
		return time.Time{}, err
	}
	return got.At, nil
}

// Denied returns a refused token request by its request id, nil when none is known.
func (s *Store) Denied(ctx context.Context, requestID string) (*iam.DeniedRequest, error) {
	return activityOf(ctx, s, denials, requestID)
}

// DeniedRequests lists the refused token requests of an organization's clients, or with "" of those that belong to none, newest
// first.
func (s *Store) DeniedRequests(ctx context.Context, org iam.NodeID, p PageOptions) (Page[iam.DeniedRequest], error) {
	return list(ctx, s, activityUnit, deniedAt, clientScope(org)+"/", p, func(_ string, r *ref) (iam.DeniedRequest, bool, error) {
		d, err := s.Denied(ctx, r.ID)
		if err != nil || d == nil {
			return iam.DeniedRequest{}, false, err
		}
		return *d, true, nil
	})
}

// Failures lists the failed authentications of an organization's clients, or with "" of those that belong to none, newest first.
// With a subject only its own are listed.
func (s *Store) Failures(ctx context.Context, org iam.NodeID, subject string, p PageOptions) (Page[iam.FailedAuthentications], error) {
	return s.failures(ctx, clientScope(org)+"/", subject, p)
}

// AllFailures lists the failed authentications of everyone: organization by organization, newest first in each.
func (s *Store) AllFailures(ctx context.Context, subject string, p PageOptions) (Page[iam.FailedAuthentications], error) {
	return s.failures(ctx, "", subject, p)
}

// failures adds up what replicas counted, which stands next to each other. A page ends where a sum does.
func (s *Store) failures(ctx context.Context, prefix, subject string, p PageOptions) (out Page[iam.FailedAuthentications], err error) {
	want := p.Limit
	if want == 0 {
		want = 100
	}
	type counted struct {
		id string
		iam.FailedAuthentications
	}
	out.Items = make([]iam.FailedAuthentications, 0, min(want, kv.MaxPage))
	last := "" // the id of the last count in the last sum
	p.Limit = min(max(want, 100), kv.MaxPage)
	for read := 1; ; read++ {
		page, err := list(ctx, s, activityUnit, failures, prefix, p, func(id string, f *iam.FailedAuthentications) (counted, bool, error) {
			return counted{id, *f}, subject == "" || f.Subject == subject, nil
		})
		if err != nil {
			return out, err
		}
		for _, c := range page.Items {
			if n := len(out.Items); n > 0 && sameCount(&out.Items[n-1], &c.FailedAuthentications) {
				out.Items[n-1] = sum(out.Items[n-1], c.FailedAuthentications)
			} else if n == want {
				out.Next = last
				return out, nil
			} else {
				out.Items = append(out.Items, c.FailedAuthentications)
			}
			last = c.id
		}
		if page.Next == "" {
			return out, nil
		}
		if read >= maxFailurePages && page.Next != last {
			out.Next = page.Next
			return out, nil
		}
		p.After = page.Next
	}
}

// maxFailurePages bounds how much one call looks through for a subject of which there is little.
const maxFailurePages = 10

func sameCount(a, b *iam.FailedAuthentications) bool {
	return a.Organization == b.Organization && a.Subject == b.Subject && a.Network == b.Network && a.Minute.Equal(b.Minute)
}

func sum(a, b iam.FailedAuthentications) iam.FailedAuthentications {
	a.Count += b.Count
	if b.First.Before(a.First) {
		a.First = b.First
	}
	if b.Last.After(a.Last) {
		a.Last = b.Last
	}
	return a
}

// newestFirst writes a minute so that later ones come first in bytewise order.
func newestFirst(t time.Time) string { return fmt.Sprintf("%09d", 999_999_999-t.Unix()/60) }

func chunks[T any](all []T) func(yield func([]T) bool) {
	return func(yield func([]T) bool) {
		for len(all) > 0 {
			n := min(len(all), activityBatch)
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}

// putActivity writes records in batches. One that the store cannot have is left out, since it holds what a stranger sent and must
// not keep the others from being written.
func putActivity[T any](ctx context.Context, s *Store, all []T, puts func(*T) ([]kv.Put, error)) error {
	for part := range chunks(all) {
		tx := kv.Tx{ID: kv.NewTxID()}
		for i := range part {
			p, err := puts(&part[i])
			if err != nil {
				return err
			}
			ok := true
			for _, put := range p {
				ok = ok && kv.ValidID(put.Key.ID) && len(put.Value) <= kv.MaxValue && put.ExpiresAt.After(s.now())
			}
			if ok {
				tx.Puts = append(tx.Puts, p...)
			}
		}
		if len(tx.Puts) == 0 {
			continue
		}
		if s.lost.Load() {
			return errLost
		}
		if err := s.applyActivity(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) applyActivity(ctx context.Context, tx kv.Tx) error {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	_, err := apply(ctx, s.kv, activityUnit, tx)
	return unavailable(err)
}

// getActivity reads records; of a key that the store cannot have there is none.
func (s *Store) getActivity(ctx context.Context, keys ...kv.Key) ([]kv.Item, error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	out := make([]kv.Item, len(keys))
	valid, at := make([]kv.Key, 0, len(keys)), make([]int, 0, len(keys))
	asked := make(map[string]int, len(keys))
	for i, k := range keys {
		if _, twice := asked[k.ID]; kv.ValidID(k.ID) && !twice {
			asked[k.ID] = i
			valid, at = append(valid, k), append(at, i)
		}
	}
	if len(valid) == 0 {
		return out, nil
	}
	items, err := s.kv.Get(ctx, activityUnit, valid...)
	if err != nil {
		return nil, unavailable(err)
	}
	if s.lost.Load() {
		return nil, errLost
	}
	for i, it := range items {
		out[at[i]] = it
	}
	return out, nil
}

func activityOf[T any](ctx context.Context, s *Store, c collection[T], id string) (*T, error) {
	items, err := s.getActivity(ctx, c.key(id))
	if err != nil || items[0].Version == 0 {
		return nil, err
	}
	return c.decode(id, items[0].Value)
}

// failureID ends with the replica, so that what several count about the same stands together. A network's '/' is not a part's.
func failureID(f *iam.FailedAuthentications, replica string) string {
	return join(clientScope(f.Organization), newestFirst(f.Minute), f.Subject, strings.ReplaceAll(f.Network, "/", "_"), replica)
}

func useID(u iam.Use) string {
	if u.Secret != "" {
		return join("secret", u.Subject.ID, string(u.Secret))
	}
	return join("subject", string(u.Organization), u.Subject.String())
}

func denialID(d *iam.DeniedRequest) string {
	return join(clientScope(d.Home), newestFirst(d.At), d.RequestID)
}

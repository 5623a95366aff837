package boltkv

import (
	"bytes"
	"context"

	"go.etcd.io/bbolt"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// Get reads records in one snapshot.
func (s *Store) Get(ctx context.Context, u kv.Unit, keys ...kv.Key) ([]kv.Item, error) {
	if err := kv.CheckUnit(u); err != nil {
		return nil, err
	}
	if err := kv.CheckKeys(keys...); err != nil {
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	items := make([]kv.Item, len(keys))
	now := millis(s.now())
	err := s.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketRecords).Cursor() // one for all keys: Bucket.Get makes one for each
		var key []byte
		for i, k := range keys {
			key = appendRecordKey(key[:0], u, k)
			found, stored := c.Seek(key)
			if !bytes.Equal(found, key) {
				stored = nil
			}
			r, err := decodeRecord(key, stored)
			if err != nil {
				return err
			}
			if !r.live(now) {
				items[i].ID = k.ID
				continue
			}
			items[i] = r.item(k.ID, false)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// List reads a page in one snapshot.
func (s *Store) List(ctx context.Context, u kv.Unit, c *kv.Coll, o kv.ListOptions) (kv.Page, error) {
	if err := kv.CheckList(u, c, o); err != nil {
		return kv.Page{}, err
	}
	if err := s.ready(ctx); err != nil {
		return kv.Page{}, err
	}
	var page kv.Page
	now := millis(s.now())
	coll := appendCollPrefix(nil, u, c)
	prefix := append(bytes.Clone(coll), o.Prefix...)
	start := append(bytes.Clone(coll), max(o.Prefix, o.After)...)
	decode := decodeRecord
	if o.KeysOnly {
		decode = peekRecord
	}
	err := s.view(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(bucketRecords).Cursor()
		for k, v := cursor.Seek(start); bytes.HasPrefix(k, prefix); k, v = cursor.Next() {
			id := string(k[len(coll):])
			if o.After != "" && id <= o.After {
				continue
			}
			r, err := decode(k, v)
			if err != nil {
				return err
			}
			if !r.live(now) {
				continue
			}
			if len(page.Items) == o.Limit {
				page.Next = page.Items[o.Limit-1].ID
				return nil
			}
			page.Items = append(page.Items, r.item(id, o.KeysOnly))
		}
		return nil
	})
	if err != nil {
		return kv.Page{}, err
	}
	return page, nil
}

// The bounds of what Scan holds in memory and of how long it keeps a snapshot.
const (
	scanRecords = 512
	scanBytes   = 1 << 20
)

// Scan reads in pieces and calls fn between them, outside of any transaction: fn may take its time and may write.
func (s *Store) Scan(ctx context.Context, fn func(u kv.Unit, coll string, it kv.Item) error) error {
	type live struct {
		unit kv.Unit
		coll string
		item kv.Item
	}
	next := []byte{}
	for next != nil {
		if err := s.ready(ctx); err != nil {
			return err
		}
		var piece []live
		from, size := next, 0
		next = nil
		err := s.view(func(tx *bbolt.Tx) error {
			now := millis(s.now())
			c := tx.Bucket(bucketRecords).Cursor()
			for k, v := c.Seek(from); k != nil; k, v = c.Next() {
				if len(piece) == scanRecords || size > scanBytes {
					next = bytes.Clone(k)
					return nil
				}
				r, err := decodeRecord(k, v)
				if err != nil {
					return err
				}
				u, coll, id, ok := splitRecordKey(k)
				if !ok {
					return damagedRecord(k, "key")
				}
				if r.live(now) {
					piece = append(piece, live{u, coll, r.item(id, false)})
					size += len(v)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, l := range piece {
			if err := fn(l.unit, l.coll, l.item); err != nil {
				return err
			}
		}
	}
	return nil
}

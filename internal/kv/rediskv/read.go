package rediskv

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// chunk bounds how many records or entries one reply holds, so that it fits the time of a call even when they are large.
const chunk = 256

// Get implements kv.Store: one MGET, or a part of one.
func (s *Store) Get(ctx context.Context, u kv.Unit, keys ...kv.Key) ([]kv.Item, error) {
	if err := kv.CheckUnit(u); err != nil {
		return nil, err
	}
	if err := kv.CheckKeys(keys...); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, nil
	}
	args := make([]any, 1, 1+len(keys))
	args[0] = "mget"
	for _, k := range keys {
		args = append(args, s.recordKey(u, k))
	}
	records, err := s.gather(ctx, u, args)
	if err != nil {
		return nil, err
	}
	items := make([]kv.Item, len(keys))
	for i, k := range keys {
		record, ok := records[i].(string)
		if !ok {
			items[i].ID = k.ID
			continue
		}
		if items[i], err = parseRecord(k.ID, record); err != nil {
			return nil, fmt.Errorf("%w, in %s", err, k.Coll.Name)
		}
	}
	return items, nil
}

// mget returns a string or nil for each key.
func (s *Store) mget(ctx context.Context, u kv.Unit, args []any) ([]any, error) {
	var records []any
	err := s.call(ctx, u, func(ctx context.Context, _ *server) error {
		cmd := redis.NewSliceCmd(ctx, args...)
		if err := s.client.Process(ctx, cmd); err != nil {
			return err
		}
		records = cmd.Val()
		if len(records) != len(args)-1 {
			return fmt.Errorf("MGET of %d keys gave %d", len(args)-1, len(records))
		}
		return nil
	})
	return records, err
}

// List implements kv.Store. The index may name records that are gone; they are passed over, ever more at a time.
func (s *Store) List(ctx context.Context, u kv.Unit, c *kv.Coll, o kv.ListOptions) (kv.Page, error) {
	if err := kv.CheckList(u, c, o); err != nil {
		return kv.Page{}, err
	}
	page := kv.Page{Items: make([]kv.Item, 0, o.Limit)}
	n := o.Limit
	for after := o.After; ; n = 2 * n {
		n = min(n, chunk)
		ids, err := s.ids(ctx, u, c, o.Prefix, after, n+1) // one more tells whether there is a next page
		if err != nil {
			return kv.Page{}, err
		}
		more := len(ids) > n
		ids = ids[:min(len(ids), n)]
		if len(ids) == 0 {
			return page, nil
		}
		read := s.items
		if o.KeysOnly {
			read = s.heads
		}
		items, err := read(ctx, u, c, ids)
		if err != nil {
			return kv.Page{}, err
		}
		for i, it := range items {
			if it.Version == 0 {
				continue
			}
			page.Items = append(page.Items, it)
			if len(page.Items) == o.Limit {
				if more || i < len(items)-1 {
					page.Next = it.ID
				}
				return page, nil
			}
		}
		if !more {
			return page, nil
		}
		after = ids[len(ids)-1]
	}
}

func (s *Store) ids(ctx context.Context, u kv.Unit, c *kv.Coll, prefix, after string, n int) (ids []string, err error) {
	start := "(" + after
	if after < prefix {
		start = "[" + prefix
	} else if after == "" {
		start = "-"
	}
	args := redis.ZRangeArgs{Key: s.indexKey(u, c), Start: start, Stop: prefixEnd(prefix), ByLex: true, Count: int64(n)}
	err = s.call(ctx, u, func(ctx context.Context, _ *server) (err error) {
		ids, err = s.client.ZRangeArgs(ctx, args).Result()
		return err
	})
	return ids, err
}

// prefixEnd is the upper bound, for ZRANGE BYLEX, of the strings that start with prefix.
func prefixEnd(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			return "(" + prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return "+"
}

// items reads whole records; what is gone has version 0.
func (s *Store) items(ctx context.Context, u kv.Unit, c *kv.Coll, ids []string) ([]kv.Item, error) {
	prefix := s.recordPrefix(u, c)
	args := make([]any, 1, 1+len(ids))
	args[0] = "mget"
	for _, id := range ids {
		args = append(args, prefix+id)
	}
	records, err := s.mget(ctx, u, args)
	if err != nil {
		return nil, err
	}
	items := make([]kv.Item, len(ids))
	for i, id := range ids {
		if record, ok := records[i].(string); ok {
			if items[i], err = parseRecord(id, record); err != nil {
				return nil, fmt.Errorf("%w, in %s", err, c.Name)
			}
		}
	}
	return items, nil
}

// heads reads no more of the records than their versions.
func (s *Store) heads(ctx context.Context, u kv.Unit, c *kv.Coll, ids []string) ([]kv.Item, error) {
	prefix := s.recordPrefix(u, c)
	items := make([]kv.Item, len(ids))
	err := s.call(ctx, u, func(ctx context.Context, _ *server) error {
		pipe := s.client.Pipeline()
		cmds := make([]*redis.StringCmd, len(ids))
		for i, id := range ids {
			cmds[i] = pipe.GetRange(ctx, prefix+id, 0, versionEnd-1)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		for i, id := range ids {
			head := cmds[i].Val()
			if head == "" {
				continue
			}
			version, err := parseVersion(head)
			if err != nil {
				return fmt.Errorf("%w, in %s", err, c.Name)
			}
			items[i] = kv.Item{ID: id, Version: version}
		}
		return nil
	})
	return items, err
}

// Scan implements kv.Store. It walks the servers one after the other.
func (s *Store) Scan(ctx context.Context, fn func(u kv.Unit, coll string, it kv.Item) error) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	servers, err := s.all(ctx)
	if err != nil {
		return fault(ctx, err)
	}
	for _, srv := range servers {
		if err := s.scan(ctx, srv, fn); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) scan(ctx context.Context, srv *server, fn func(u kv.Unit, coll string, it kv.Item) error) error {
	for at := uint64(0); ; {
		keys, records, next, err := s.scanPage(ctx, srv, at)
		if err != nil {
			return fault(ctx, err)
		}
		for i, key := range keys {
			u, coll, id, ok := s.splitRecordKey(key)
			if !ok || records[i] == "" {
				continue
			}
			it, err := parseRecord(id, records[i])
			if err != nil {
				return fmt.Errorf("%w, in %s", err, coll)
			}
			if err := fn(u, coll, it); err != nil {
				return err
			}
		}
		if at = next; at == 0 {
			return nil
		}
	}
}

// scanPage returns some keys of a server with their records, "" for what is gone by now.
func (s *Store) scanPage(ctx context.Context, srv *server, at uint64) (keys, records []string, next uint64, err error) {
	if err := s.ready(ctx); err != nil {
		return nil, nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.callTimeout())
	defer cancel()
	keys, next, err = srv.ScanType(ctx, at, s.cfg.Namespace+"{*}r:*", chunk, "string").Result()
	if err != nil || len(keys) == 0 {
		return nil, nil, next, err
	}
	pipe := srv.Pipeline() // one MGET would have to be of one slot
	cmds := make([]*redis.StringCmd, len(keys))
	for i, key := range keys {
		cmds[i] = pipe.Get(ctx, key)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	records = make([]string, len(keys))
	for i, cmd := range cmds {
		if records[i], err = cmd.Result(); err != nil && !errors.Is(err, redis.Nil) {
			return nil, nil, 0, err
		}
	}
	return keys, records, next, nil
}

package rediskv

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// waitSlice bounds one wait on the server: how long a reader whose caller has gone still holds its connection, and how late it
// is noticed that the server is gone without a word.
const waitSlice = time.Second

const txIDLen = 12

// A cursor is the id of a stream entry and the transaction that wrote it. The id alone would not do: after a failover the new
// primary may give the id of an entry that was lost to another one.
func cursor(id, tx string) kv.Cursor { return kv.Cursor(id + "." + tx) }

func splitCursor(c kv.Cursor) (id string, ok bool) {
	id, tx, ok := strings.Cut(string(c), ".")
	ms, seq, dash := strings.Cut(id, "-")
	_, errMS := strconv.ParseUint(ms, 10, 64)
	_, errSeq := strconv.ParseUint(seq, 10, 64)
	return id, ok && dash && errMS == nil && errSeq == nil && len(tx) == txIDLen
}

func entry(m redis.XMessage) (kv.Entry, error) {
	data, _ := m.Values["d"].(string)
	if len(data) < txIDLen {
		return kv.Entry{}, fmt.Errorf("%w: a log has an entry that is not of layout 1", kv.ErrCorrupt)
	}
	return kv.Entry{Cursor: cursor(m.ID, data[:txIDLen]), Data: []byte(data[txIDLen:])}, nil
}

// ReadLog implements kv.Store.
func (s *Store) ReadLog(ctx context.Context, u kv.Unit, after kv.Cursor, limit int, wait time.Duration) ([]kv.Entry, error) {
	if err := kv.CheckRead(u, limit); err != nil {
		return nil, err
	}
	id := "0-0"
	if after != "" {
		var ok bool
		if id, ok = splitCursor(after); !ok {
			return nil, kv.ErrGap
		}
	}
	end := time.Now().Add(wait)
	for {
		// What a wait says is not enough to return on: the server may be another one by now.
		entries, err := s.entries(ctx, u, after, id, min(limit, chunk))
		left := time.Until(end)
		if err != nil || len(entries) > 0 || left <= 0 {
			return entries, err
		}
		if err := s.awaitEntry(ctx, u, id, min(left, waitSlice)); err != nil {
			return nil, err
		}
	}
}

// entries reads what follows the cursor, which it reads along, to see that it is still there.
func (s *Store) entries(ctx context.Context, u kv.Unit, after kv.Cursor, id string, limit int) ([]kv.Entry, error) {
	var found []redis.XMessage
	err := s.call(ctx, u, func(ctx context.Context, _ *server) (err error) {
		found, err = s.client.XRangeN(ctx, s.logKey(u), id, "+", int64(limit)+1).Result()
		return err
	})
	if err != nil {
		return nil, err
	}
	if after != "" {
		if len(found) == 0 {
			return nil, kv.ErrGap
		}
		at, err := entry(found[0])
		if err != nil {
			return nil, err
		}
		if at.Cursor != after {
			return nil, kv.ErrGap
		}
		found = found[1:]
	}
	entries := make([]kv.Entry, 0, min(len(found), limit))
	for _, m := range found[:min(len(found), limit)] {
		e, err := entry(m)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// awaitEntry returns when there is an entry after id, or when wait is over. The client does not watch ctx while it reads, so a
// goroutine reads and Close waits for it.
func (s *Store) awaitEntry(ctx context.Context, u kv.Unit, id string, wait time.Duration) error {
	s.mu.RLock()
	if s.closed.Load() {
		s.mu.RUnlock()
		return errClosed
	}
	s.waits.Add(1)
	s.mu.RUnlock()
	done := make(chan error, 1)
	go func() {
		defer s.waits.Done()
		bounded, cancel := context.WithTimeout(ctx, wait+s.cfg.ioTimeout())
		defer cancel()
		done <- s.follow.XRead(bounded, &redis.XReadArgs{
			Streams: []string{s.logKey(u)}, ID: id, Count: 1, Block: max(wait, time.Millisecond), // 0 would be for ever
		}).Err()
	}()
	select {
	case err := <-done:
		if errors.Is(err, redis.Nil) {
			return nil
		}
		return fault(ctx, err)
	case <-ctx.Done():
		return fault(ctx, ctx.Err())
	}
}

// LogTail implements kv.Store.
func (s *Store) LogTail(ctx context.Context, u kv.Unit) (kv.Cursor, error) {
	if err := kv.CheckUnit(u); err != nil {
		return "", err
	}
	var found []redis.XMessage
	err := s.call(ctx, u, func(ctx context.Context, _ *server) (err error) {
		found, err = s.client.XRevRangeN(ctx, s.logKey(u), "+", "-", 1).Result()
		return err
	})
	if err != nil || len(found) == 0 {
		return "", err
	}
	e, err := entry(found[0])
	return e.Cursor, err
}

// TrimLog implements kv.Store. An entry's age is by the server's clock.
func (s *Store) TrimLog(ctx context.Context, u kv.Unit, before time.Time) error {
	tail, err := s.LogTail(ctx, u)
	if err != nil || tail == "" || before.UnixMilli() <= 0 {
		return err
	}
	keep, _ := splitCursor(tail)
	ms, _, _ := strings.Cut(keep, "-")
	if n, err := strconv.ParseInt(ms, 10, 64); err == nil && before.UnixMilli() <= n {
		keep = strconv.FormatInt(before.UnixMilli(), 10)
	}
	// What is written meanwhile is newer than the tail, so nothing that is kept here becomes the newest.
	return s.call(ctx, u, func(ctx context.Context, _ *server) error {
		return s.client.XTrimMinID(ctx, s.logKey(u), keep).Err()
	})
}

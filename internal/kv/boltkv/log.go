package boltkv

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// ReadLog returns entries after the cursor and waits for the first when there is none.
func (s *Store) ReadLog(ctx context.Context, u kv.Unit, after kv.Cursor, limit int, wait time.Duration) ([]kv.Entry, error) {
	if err := kv.CheckRead(u, limit); err != nil {
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		// Watch before reading, so that no event falls between the two.
		var news <-chan struct{}
		if wait > 0 {
			news = s.watch(u)
		}
		entries, err := s.readLog(u, after, limit)
		if err != nil || len(entries) > 0 || wait <= 0 {
			return entries, err
		}
		select {
		case <-news:
		case <-timeout.C:
			wait = 0 // one last look: news may have come in the same moment
		case <-ctx.Done():
			return nil, unavailable(ctx.Err())
		case <-s.closing:
			return nil, errClosed
		}
	}
}

func (s *Store) readLog(u kv.Unit, after kv.Cursor, limit int) ([]kv.Entry, error) {
	prefix := logPrefix(u)
	var entries []kv.Entry
	err := s.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketLog).Cursor()
		k, v := c.Seek(prefix)
		if after != "" {
			at, ok := parseCursor(after)
			if !ok {
				return kv.ErrGap
			}
			key := logKey(u, at)
			if k, _ = c.Seek(key); !bytes.Equal(k, key) {
				return kv.ErrGap
			}
			k, v = c.Next()
		}
		for ; bytes.HasPrefix(k, prefix) && len(entries) < limit; k, v = c.Next() {
			data, err := decodeEvent(k, v)
			if err != nil {
				return err
			}
			entries = append(entries, kv.Entry{Cursor: cursorOf(k), Data: append(make([]byte, 0, len(data)), data...)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// LogTail returns the cursor of the newest entry.
func (s *Store) LogTail(ctx context.Context, u kv.Unit) (kv.Cursor, error) {
	if err := kv.CheckUnit(u); err != nil {
		return "", err
	}
	if err := s.ready(ctx); err != nil {
		return "", err
	}
	var tail kv.Cursor
	err := s.view(func(tx *bbolt.Tx) error {
		if k := newest(tx.Bucket(bucketLog), u); k != nil {
			tail = cursorOf(k)
		}
		return nil
	})
	return tail, err
}

// newest returns the key of the unit's last entry, nil when there is none.
func newest(log *bbolt.Bucket, u kv.Unit) []byte {
	prefix := logPrefix(u)
	c := log.Cursor()
	// 1 follows the 0 that ends the unit's name, and no unit's name has a byte below '!'.
	end := bytes.Clone(prefix)
	end[len(end)-1] = 1
	k, _ := c.Seek(end)
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	if !bytes.HasPrefix(k, prefix) {
		return nil
	}
	return k
}

// TrimLog drops entries older than before in transactions of bounded size.
func (s *Store) TrimLog(ctx context.Context, u kv.Unit, before time.Time) error {
	if err := kv.CheckUnit(u); err != nil {
		return err
	}
	limit := uint64(max(before.UnixMicro(), 0))
	for more := true; more; {
		err := s.write(ctx, 0, func(b *batch) error {
			more = b.trim(u, limit)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// trim drops entries of versions below limit, a bounded number of them, and reports whether there are more.
func (b *batch) trim(u kv.Unit, limit uint64) (more bool) {
	last := bytes.Clone(newest(b.log, u))
	prefix := logPrefix(u)
	var dropped [][]byte
	c := b.log.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && !bytes.Equal(k, last); k, _ = c.Next() {
		if binary.BigEndian.Uint64(k[len(prefix):]) >= limit {
			break
		}
		if len(dropped) == maxRemovals {
			more = true
			break
		}
		dropped = append(dropped, bytes.Clone(k))
	}
	for _, k := range dropped {
		b.delete(b.log, k)
	}
	return more
}

// watch returns a channel that is closed at the unit's next event.
func (s *Store) watch(u kv.Unit) <-chan struct{} {
	s.watchMu.Lock()
	defer s.watchMu.Unlock()
	ch, ok := s.watched[u]
	if !ok {
		ch = make(chan struct{})
		s.watched[u] = ch
	}
	return ch
}

// announce wakes those up who wait for events of the units.
func (s *Store) announce(units map[kv.Unit]bool) {
	s.watchMu.Lock()
	defer s.watchMu.Unlock()
	for u := range units {
		if ch, ok := s.watched[u]; ok {
			close(ch)
			delete(s.watched, u)
		}
	}
}

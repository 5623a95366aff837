package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// The audit log lies in the directory's unit, so that its lines are written with the change that they are about. Its records hold
// up to MaxAuditBatch lines, under the number of their first; the head says where a stream ends, and every writer of the stream
// reads it first: two changes never pass each other unseen.

// An AuditHead is the record of where a stream of the audit log ends.
type AuditHead struct {
	Seq  uint64    `json:"seq"`
	Hash string    `json:"hash"`
	Time time.Time `json:"time"`
	MAC  string    `json:"mac"`
}

// auditBatch is a record of the lines of one change in one stream.
type auditBatch struct {
	Lines []json.RawMessage `json:"l"`
}

// The bounds of a record of lines.
const (
	MaxAuditBatch = 64
	maxAuditBytes = 192 << 10
)

// auditID orders the records of a stream by the number of their first line.
func auditID(stream string, first uint64) string { return join(stream, fmt.Sprintf("%020d", first)) }

// AuditHead returns where a stream ends, the zero AuditHead when it has no lines. Whoever appends must have asked.
func (tx *Tx) AuditHead(stream string) (AuditHead, error) {
	h, err := read(tx, auditHeads, stream)
	if err != nil || h == nil {
		return AuditHead{}, err
	}
	return *h, nil
}

// LastAudit returns the last record of a stream, the zero AuditRecord when it has none. It reads the ids of all of them, and is no
// condition of the transaction: the head is.
func (tx *Tx) LastAudit(stream string) (AuditRecord, error) {
	prefix := stream + "/"
	numbers, err := ids(tx, auditLines, prefix)
	if err != nil || len(numbers) == 0 {
		return AuditRecord{}, err
	}
	id := prefix + numbers[len(numbers)-1]
	value, err := tx.stored(auditLines.key(id))
	if err != nil {
		return AuditRecord{}, err
	}
	return auditRecord(prefix, id, value)
}

// AppendAudit writes lines of a stream, the first of which has the number first, and where the stream then ends.
func (tx *Tx) AppendAudit(stream string, first uint64, lines []json.RawMessage, head AuditHead) error {
	for len(lines) > 0 {
		n, size := 0, 0
		for n < len(lines) && n < MaxAuditBatch && (n == 0 || size+len(lines[n]) <= maxAuditBytes) {
			size += len(lines[n])
			n++
		}
		if err := put(tx, auditLines, auditID(stream, first), &auditBatch{Lines: lines[:n]}); err != nil {
			return err
		}
		lines, first = lines[n:], first+uint64(n)
	}
	return put(tx, auditHeads, stream, &head)
}

// AuditHead returns where a stream ends as this replica knows it, the zero AuditHead when it has no lines.
func (s *Store) AuditHead(ctx context.Context, stream string) (AuditHead, error) {
	h, err := cached(ctx, s, auditHeads, stream)
	if err != nil || h == nil {
		return AuditHead{}, err
	}
	return *h, nil
}

// AuditHeadNow is AuditHead past the cache.
func (s *Store) AuditHeadNow(ctx context.Context, stream string) (h AuditHead, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		h, err = tx.AuditHead(stream)
		return err
	})
	return h, err
}

// AuditStreams lists the streams and where they end, by name.
func (s *Store) AuditStreams(ctx context.Context, p PageOptions) (Page[AuditStream], error) {
	return list(ctx, s, directoryUnit(), auditHeads, "", p, func(id string, h *AuditHead) (AuditStream, bool, error) {
		return AuditStream{Stream: id, AuditHead: *h}, true, nil
	})
}

// An AuditStream is a stream and where it ends.
type AuditStream struct {
	Stream string
	AuditHead
}

// An AuditRecord is some lines of one change, as they are stored under the number of the first. Lines is nil when what is stored
// cannot be read.
type AuditRecord struct {
	First uint64
	Lines []json.RawMessage
}

// AuditRecords reads the records of a stream whose First is greater than after, oldest first, at most limit of them. The next part
// comes after the last of them; more says that there is one. A line n lies in a record whose First is greater than
// n - MaxAuditBatch.
func (s *Store) AuditRecords(ctx context.Context, stream string, after uint64, limit int) (out []AuditRecord, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()
	o := kv.ListOptions{Prefix: stream + "/", After: auditID(stream, after), Limit: limit}
	page, err := s.kv.List(ctx, directoryUnit(), auditLines.Coll, o)
	if err == nil && s.lost.Load() {
		err = errLost
	}
	if err != nil {
		return nil, false, unavailable(err)
	}
	for _, it := range page.Items {
		record, err := auditRecord(o.Prefix, it.ID, it.Value)
		if err != nil {
			return nil, false, err
		}
		out = append(out, record)
	}
	return out, page.Next != "", nil
}

// auditRecord makes an AuditRecord of what is stored, and of what cannot be read one without lines.
func auditRecord(prefix, id string, value []byte) (AuditRecord, error) {
	first, err := strconv.ParseUint(strings.TrimPrefix(id, prefix), 10, 64)
	if err != nil {
		return AuditRecord{}, fmt.Errorf("%w: %s %q", kv.ErrCorrupt, auditLines.Name, id)
	}
	batch, err := auditLines.decode(id, value)
	switch {
	case errors.Is(err, kv.ErrCorrupt):
		return AuditRecord{First: first}, nil
	case err != nil:
		return AuditRecord{}, err
	}
	return AuditRecord{First: first, Lines: batch.Lines}, nil
}

// WatchAudit calls fn, which must not block, after lines were written by any replica.
func (s *Store) WatchAudit(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[auditHeads.Coll] = append(s.watchers[auditHeads.Coll], fn)
}

// A Changed is a record that a transaction changes, as it is stored before and after; nil: it is not there.
type Changed struct {
	Collection    string
	ID            string
	Before, After json.RawMessage
}

// Changes returns the records that the transaction changes, in the order of its writes, of the collections that want wants. One
// that is written as it was is none.
func (tx *Tx) Changes(want func(collection string) bool) ([]Changed, error) {
	var out []Changed
	for _, k := range tx.order {
		if !want(k.Coll.Name) {
			continue
		}
		before, err := tx.stored(k)
		if err != nil {
			return nil, err
		}
		if w := tx.puts[k]; string(w.value) != string(before) {
			out = append(out, Changed{Collection: k.Coll.Name, ID: k.ID, Before: before, After: w.value})
		}
	}
	return out, nil
}

// stored returns a record as it is before the transaction, nil when it is absent.
func (tx *Tx) stored(k kv.Key) ([]byte, error) {
	it, ok := tx.reads[k]
	if !ok {
		items, err := tx.store.kv.Get(tx.ctx, directoryUnit(), k)
		if err != nil {
			return nil, tx.fail(err)
		}
		it.Item = items[0]
	}
	it.decides = true // what the log says of it must be true when it is written
	tx.reads[k] = it
	if it.Version == 0 {
		return nil, nil
	}
	return it.Value, nil
}

// Before returns the transaction as it began: its reads see none of the writes so far. It must write nothing.
func (tx *Tx) Before() *Tx {
	return &Tx{ctx: tx.ctx, store: tx.store, reads: tx.reads, puts: make(map[kv.Key]write), peeks: true}
}

// Collections returns the names of the collections that a transaction of the directory can write.
func Collections() []string {
	out := make([]string, 0, len(collectionNamed))
	for name := range collectionNamed {
		out = append(out, name)
	}
	return out
}

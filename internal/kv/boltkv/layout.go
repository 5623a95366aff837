package boltkv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// The buckets of the file and what they map. No name of package kv contains a zero byte, so 0 ends a name and the keys are
// injective; numbers are big-endian, so that keys sort as numbers do.
//
//	gatehouse  "header"                  → header as JSON
//	records    unit 0 coll 0 id          → record; the bucket's sequence is the highest version ever given
//	expiry     expiry ms, record key     → nothing; one for each record that expires
//	log        unit 0 version            → CRC-32C of key and data, data
var (
	bucketHeader  = []byte("gatehouse")
	bucketRecords = []byte("records")
	bucketExpiry  = []byte("expiry")
	bucketLog     = []byte("log")
	keyHeader     = []byte("header")
)

// A record is stored as: 1, version (8 bytes), expiry in ms since 1970 or 0 (8), transaction id (12), CRC-32C of the key and
// all else (4), value. bbolt has no checksum on its pages; ours is what tells a flipped bit from a value.
const (
	recordFormat = 1
	offVersion   = 1
	offExpiry    = offVersion + 8
	offTxID      = offExpiry + 8
	offSum       = offTxID + 12
	offValue     = offSum + 4

	logOffData = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func recordKey(u kv.Unit, k kv.Key) []byte {
	return appendRecordKey(make([]byte, 0, len(u)+len(k.Coll.Name)+len(k.ID)+2), u, k)
}

func appendRecordKey(b []byte, u kv.Unit, k kv.Key) []byte {
	return append(appendCollPrefix(b, u, k.Coll), k.ID...)
}

func appendCollPrefix(b []byte, u kv.Unit, c *kv.Coll) []byte {
	b = append(append(b, u...), 0)
	return append(append(b, c.Name...), 0)
}

// splitRecordKey takes a record's key apart; ok is false for what recordKey cannot have made.
func splitRecordKey(b []byte) (u kv.Unit, coll, id string, ok bool) {
	parts := bytes.Split(b, []byte{0})
	if len(parts) != 3 {
		return "", "", "", false
	}
	return kv.Unit(parts[0]), string(parts[1]), string(parts[2]), true
}

func expiryKey(ms uint64, record []byte) []byte {
	b := make([]byte, 0, 8+len(record))
	return append(binary.BigEndian.AppendUint64(b, ms), record...)
}

func logPrefix(u kv.Unit) []byte { return append(append(make([]byte, 0, len(u)+9), u...), 0) }

func logKey(u kv.Unit, v uint64) []byte { return binary.BigEndian.AppendUint64(logPrefix(u), v) }

// cursorOf returns the cursor of a log entry: its version in decimal.
func cursorOf(logKey []byte) kv.Cursor {
	return kv.Cursor(strconv.FormatUint(binary.BigEndian.Uint64(logKey[len(logKey)-8:]), 10))
}

// parseCursor accepts what cursorOf makes and nothing else.
func parseCursor(c kv.Cursor) (uint64, bool) {
	v, err := strconv.ParseUint(string(c), 10, 64)
	return v, err == nil && strconv.FormatUint(v, 10) == string(c)
}

// A record is a stored value taken apart. Its slices lie in the file's mapping and die with the transaction.
type record struct {
	version uint64
	expiry  uint64 // ms since 1970, 0: never
	txID    []byte
	value   []byte
}

// live reports whether r exists at now, which is in ms since 1970.
func (r record) live(now uint64) bool { return r.version != 0 && (r.expiry == 0 || now < r.expiry) }

// item returns a copy of r that outlives the transaction.
func (r record) item(id string, keysOnly bool) kv.Item {
	it := kv.Item{ID: id, Version: kv.Version(r.version)}
	if !keysOnly {
		it.Value = append(make([]byte, 0, len(r.value)), r.value...)
	}
	if r.expiry != 0 {
		it.ExpiresAt = time.UnixMilli(int64(r.expiry))
	}
	return it
}

func recordSum(key, stored []byte) uint32 {
	sum := crc32.Update(0, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, stored[:offSum])
	return crc32.Update(sum, castagnoli, stored[offValue:])
}

func encodeRecord(key []byte, version, expiry uint64, txID string, value []byte) []byte {
	b := make([]byte, offValue+len(value))
	b[0] = recordFormat
	binary.BigEndian.PutUint64(b[offVersion:], version)
	binary.BigEndian.PutUint64(b[offExpiry:], expiry)
	copy(b[offTxID:offSum], txID)
	copy(b[offValue:], value)
	binary.BigEndian.PutUint32(b[offSum:], recordSum(key, b))
	return b
}

// decodeRecord takes stored apart and verifies its checksum. nil, which is how bbolt says absent, is the zero record.
func decodeRecord(key, stored []byte) (record, error) {
	r, err := peekRecord(key, stored)
	if err == nil && stored != nil && binary.BigEndian.Uint32(stored[offSum:]) != recordSum(key, stored) {
		return record{}, damagedRecord(key, "checksum")
	}
	return r, err
}

// peekRecord is decodeRecord without the checksum: it touches no more than the first page of a large value.
func peekRecord(key, stored []byte) (record, error) {
	switch {
	case stored == nil:
		return record{}, nil
	case len(stored) < offValue || len(stored) > offValue+kv.MaxValue:
		return record{}, damagedRecord(key, "size")
	case stored[0] != recordFormat:
		return record{}, damagedRecord(key, "format")
	}
	r := record{
		version: binary.BigEndian.Uint64(stored[offVersion:]),
		expiry:  binary.BigEndian.Uint64(stored[offExpiry:]),
		txID:    stored[offTxID:offSum],
		value:   stored[offValue:],
	}
	if r.version == 0 {
		return record{}, damagedRecord(key, "version")
	}
	return r, nil
}

// damagedRecord names the collection alone: ids and units may be personal.
func damagedRecord(key []byte, what string) error {
	_, coll, _, _ := splitRecordKey(key)
	return fmt.Errorf("%w: a record of collection %q has a bad %s", kv.ErrCorrupt, coll, what)
}

func encodeEvent(key, data []byte) []byte {
	b := make([]byte, logOffData+len(data))
	binary.BigEndian.PutUint32(b, crc32.Update(crc32.Update(0, castagnoli, key), castagnoli, data))
	copy(b[logOffData:], data)
	return b
}

// decodeEvent verifies a stored event and returns its data, which dies with the transaction.
func decodeEvent(key, stored []byte) ([]byte, error) {
	if len(stored) < logOffData || len(stored) > logOffData+kv.MaxValue ||
		binary.BigEndian.Uint32(stored) != crc32.Update(crc32.Update(0, castagnoli, key), castagnoli, stored[logOffData:]) {
		return nil, fmt.Errorf("%w: an event of the log has a bad checksum", kv.ErrCorrupt)
	}
	return stored[logOffData:], nil
}

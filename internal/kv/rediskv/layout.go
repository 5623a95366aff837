package rediskv

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// The keys, after the namespace. The unit in braces is the hash tag, so that a unit is in one slot of a cluster.
//
//	{unit}r:<coll>:<id>   record     STRING  "1", version (16 digits), expiry in ms since 1970 (13), tx id (12), value
//	{unit}i:<coll>        index      ZSET    score 0, ids in byte order; may name records that are gone
//	{unit}x:<coll>        expiries   ZSET    score is the expiry in ms
//	{unit}l               log        STREAM  one field d: tx id (12), data
//	layout                the version of all this, written by whoever comes first
const (
	layoutKey     = "layout"
	layoutVersion = "gatehouse 1"

	versionEnd = 1 + 16
	expiryEnd  = versionEnd + 13
	headLen    = expiryEnd + 12

	maxExpiry = 9_999_999_999_999 // ms that fit 13 digits: the year 2286
)

func (s *Store) recordKey(u kv.Unit, k kv.Key) string {
	return s.cfg.Namespace + "{" + string(u) + "}r:" + k.Coll.Name + ":" + k.ID
}

func (s *Store) recordPrefix(u kv.Unit, c *kv.Coll) string {
	return s.cfg.Namespace + "{" + string(u) + "}r:" + c.Name + ":"
}

func (s *Store) indexKey(u kv.Unit, c *kv.Coll) string {
	return s.cfg.Namespace + "{" + string(u) + "}i:" + c.Name
}

func (s *Store) expiryKey(u kv.Unit, c *kv.Coll) string {
	return s.cfg.Namespace + "{" + string(u) + "}x:" + c.Name
}

func (s *Store) logKey(u kv.Unit) string { return s.cfg.Namespace + "{" + string(u) + "}l" }

// splitRecordKey undoes recordKey. A unit has no brace and a collection no colon, so there is one way only.
func (s *Store) splitRecordKey(key string) (u kv.Unit, coll, id string, ok bool) {
	rest, ok := strings.CutPrefix(key, s.cfg.Namespace+"{")
	if !ok {
		return "", "", "", false
	}
	unit, rest, ok := strings.Cut(rest, "}r:")
	if !ok {
		return "", "", "", false
	}
	coll, id, ok = strings.Cut(rest, ":")
	return kv.Unit(unit), coll, id, ok
}

// parseRecord reads what the script wrote.
func parseRecord(id, record string) (kv.Item, error) {
	version, err := parseVersion(record)
	if err != nil || len(record) < headLen {
		return kv.Item{}, errRecord
	}
	ms, err := strconv.ParseInt(record[versionEnd:expiryEnd], 10, 64)
	if err != nil {
		return kv.Item{}, errRecord
	}
	it := kv.Item{ID: id, Version: version, Value: []byte(record[headLen:])}
	if ms != 0 {
		it.ExpiresAt = time.UnixMilli(ms)
	}
	return it, nil
}

// parseVersion needs the first bytes of a record only.
func parseVersion(record string) (kv.Version, error) {
	if len(record) < versionEnd || record[0] != '1' {
		return 0, errRecord
	}
	v, err := strconv.ParseUint(record[1:versionEnd], 10, 64)
	if err != nil || v == 0 {
		return 0, errRecord
	}
	return kv.Version(v), nil
}

var errRecord = fmt.Errorf("%w: a record has no header of layout 1", kv.ErrCorrupt)

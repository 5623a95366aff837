package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// A collection is a kv.Coll whose records are a T. On disk a record is T's JSON with a first member "v": the version of its
// shape. A new shape raises the version and keeps reading the older ones.
type collection[T any] struct {
	*kv.Coll
	version int
}

func (c collection[T]) key(id string) kv.Key { return kv.Key{Coll: c.Coll, ID: id} }

func (c collection[T]) encode(v *T) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", c.Name, err)
	}
	out := make([]byte, 0, len(body)+8)
	out = append(out, `{"v":`...)
	out = strconv.AppendInt(out, int64(c.version), 10)
	if len(body) > 2 {
		out = append(out, ',')
	}
	return append(out, body[1:]...), nil
}

func (c collection[T]) decode(id string, data []byte) (*T, error) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"v":`))
	end := bytes.IndexAny(rest, ",}")
	if !ok || end < 0 {
		return nil, fmt.Errorf("%w: %s %q has no version", kv.ErrCorrupt, c.Name, id)
	}
	version, err := strconv.Atoi(string(rest[:end]))
	if err != nil || version < 1 {
		return nil, fmt.Errorf("%w: %s %q has version %q", kv.ErrCorrupt, c.Name, id, rest[:end])
	}
	if version > c.version {
		return nil, fmt.Errorf("%w: %s %q was written by a newer Gatehouse (record version %d, this one reads up to %d)",
			kv.ErrCorrupt, c.Name, id, version, c.version)
	}
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		return nil, fmt.Errorf("%w: %s %q: %w", kv.ErrCorrupt, c.Name, id, err)
	}
	return v, nil
}

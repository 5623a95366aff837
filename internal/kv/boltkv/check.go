package boltkv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// Check reads the whole file at path, which no server may have open, and returns nil when every page, record, expiry and event
// is what was written: bbolt's own check and ours. Damage is kv.ErrCorrupt.
func Check(path string) error {
	f, err := openFile(path, true, math.MaxUint64)
	if err != nil {
		return err
	}
	defer func() { _ = f.db.Close() }()
	if f.badMetas > 0 {
		return corrupt(path, "a meta page is damaged")
	}
	if err := f.verifyContent(); err != nil {
		return err
	}
	return f.boltCheck()
}

// boltCheck runs bbolt's check, which also finds pages that are neither in use nor free. It is safe only after verifyPages.
func (f *boltFile) boltCheck() error {
	return f.db.View(func(tx *bbolt.Tx) error {
		var first error
		faults := 0
		for err := range tx.Check() {
			faults++
			if first == nil {
				first = err
			}
		}
		if first != nil {
			return corrupt(f.path, fmt.Sprintf("%v (and %d faults more)", first, faults-1))
		}
		return nil
	})
}

// verifyContent checks everything that the pages hold.
func (f *boltFile) verifyContent() (err error) {
	defer catch(debug.SetPanicOnFault(true), f.path, &err)
	err = f.db.View(func(tx *bbolt.Tx) error {
		expiring, err := verifyRecords(tx)
		if err != nil {
			return err
		}
		if err := verifyExpiry(tx, expiring); err != nil {
			return err
		}
		return verifyLog(tx)
	})
	if err != nil {
		return corrupt(f.path, err)
	}
	return nil
}

// verifyRecords returns how many records expire.
func verifyRecords(tx *bbolt.Tx) (expiring int, err error) {
	records, expiry := tx.Bucket(bucketRecords), tx.Bucket(bucketExpiry)
	err = records.ForEach(func(k, v []byte) error {
		r, err := decodeRecord(k, v)
		if err != nil {
			return err
		}
		u, coll, id, ok := splitRecordKey(k)
		switch {
		case !ok, v == nil, kv.CheckUnit(u) != nil, kv.CheckKeys(kv.Key{Coll: &kv.Coll{Name: coll}, ID: id}) != nil:
			return damagedRecord(k, "key")
		case r.version > records.Sequence():
			return damagedRecord(k, "version")
		case r.expiry != 0:
			expiring++
			if expiry.Get(expiryKey(r.expiry, k)) == nil {
				return damagedRecord(k, "expiry")
			}
		}
		return nil
	})
	return expiring, err
}

func verifyExpiry(tx *bbolt.Tx, want int) error {
	got := 0
	err := tx.Bucket(bucketExpiry).ForEach(func(k, _ []byte) error {
		got++
		return nil
	})
	if err == nil && got != want {
		err = fmt.Errorf("%d expiries are listed for %d records that expire", got, want)
	}
	return err
}

func verifyLog(tx *bbolt.Tx) error {
	highest := tx.Bucket(bucketRecords).Sequence()
	return tx.Bucket(bucketLog).ForEach(func(k, v []byte) error {
		at := bytes.IndexByte(k, 0)
		if at < 1 || len(k) != at+9 || binary.BigEndian.Uint64(k[at+1:]) > highest {
			return errors.New("an event of the log has a bad key")
		}
		_, err := decodeEvent(k, v)
		return err
	})
}

// Compact copies the store at src, which no server may have open, to dst without the space that it no longer uses, and checks
// the copy. It is fs.ErrExist when there
// is something at dst.
func Compact(src, dst string) (err error) {
	f, err := openFile(src, true, math.MaxUint64)
	if err != nil {
		return err
	}
	defer func() { _ = f.db.Close() }()
	if err := f.verifyContent(); err != nil {
		return err
	}
	defer catch(debug.SetPanicOnFault(true), src, &err)
	err = makeFile(dst, func(db *bbolt.DB) error { return bbolt.Compact(db, f.db, 8<<20) })
	if err != nil {
		return fmt.Errorf("compact store %s: %w", src, err)
	}
	return Check(dst)
}

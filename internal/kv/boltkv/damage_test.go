package boltkv_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/boltkv"
)

const page = 4096

// sample makes a store with records, expiries, a log and large values, and returns its bytes.
func sample(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sample.db")
	s, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		var tx kv.Tx
		for n := range 10 {
			p := kv.Put{Key: kv.Key{Coll: things, ID: fmt.Sprintf("%02d-%d", i, n)}, Value: fmt.Appendf(nil, "the value of %02d-%d", i, n)}
			if n == 0 {
				p.ExpiresAt = time.Now().Add(time.Hour)
			}
			tx.Puts = append(tx.Puts, p)
		}
		tx.Events = [][]byte{fmt.Appendf(nil, "the event %02d", i)}
		apply(t, s, tx)
	}
	apply(t, s, kv.Tx{Puts: []kv.Put{{Key: kv.Key{Coll: things, ID: "large"}, Value: bytes.Repeat([]byte("large"), 5000)}}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getpagesize() != page {
		t.Fatalf("this test damages pages of %d bytes and this system has %d", page, os.Getpagesize())
	}
	return b
}

// bboltFile makes a bbolt file with fill and returns its bytes.
func bboltFile(t *testing.T, from []byte, fill func(*bbolt.Tx) error) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.db")
	if from != nil {
		if err := os.WriteFile(path, from, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fill), db.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// used returns how many bytes of a store are in use, by its meta pages.
func used(file []byte) int {
	end := max(binary.NativeEndian.Uint64(file[16+40:]), binary.NativeEndian.Uint64(file[page+16+40:]))
	return int(end) * page
}

// clearPages zeroes all pages of a type, those of earlier commits too; flags are bbolt's.
func clearPages(file []byte, flags uint16) {
	for at := 2 * page; at < used(file); at += page {
		if binary.NativeEndian.Uint64(file[at:]) == uint64(at/page) && binary.NativeEndian.Uint16(file[at+8:]) == flags {
			clear(file[at : at+page])
		}
	}
}

// A file that is not whole or not ours is refused in one line with its name and the remedy, and is left as it is: no start
// makes a fresh store of it.
func TestDamagedFileIsRefusedAndKept(t *testing.T) {
	whole := sample(t)
	edit := func(change func(b []byte)) []byte {
		b := bytes.Clone(whole)
		change(b)
		return b
	}
	flip := func(text string) []byte {
		at := bytes.Index(whole, []byte(text))
		if at < 0 {
			t.Fatalf("%q is not in the file", text)
		}
		// Old versions of a page stay in the file: flip all of them.
		b := bytes.Clone(whole)
		for from := 0; ; from = at + 1 {
			i := bytes.Index(b[from:], []byte(text))
			if i < 0 {
				return b
			}
			at = from + i
			b[at+len(text)-1] ^= 1
		}
	}
	setHeader := func(value string) []byte {
		return bboltFile(t, whole, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("gatehouse")).Put([]byte("header"), []byte(value)) })
	}
	random := make([]byte, 64<<10)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for _, c := range []struct {
		name, says string
		file       []byte
	}{
		{"empty", "the file is empty", nil},
		{"one byte", "both meta pages", []byte{0}},
		{"cut to one page", "cut off", whole[:page]},
		{"cut to two pages", "cut off", whole[:2*page]},
		{"cut in half", "cut off", whole[:used(whole)/2]},
		{"text", "both meta pages are damaged", bytes.Repeat([]byte("not a database\n"), 1000)},
		{"random bytes", "both meta pages are damaged", random},
		{"zeros", "both meta pages are damaged", make([]byte, len(whole))},
		{"both meta pages zeroed", "both meta pages are damaged", edit(func(b []byte) { clear(b[:2*page]) })},
		{"both meta pages flipped", "both meta pages are damaged", edit(func(b []byte) { b[16+30] ^= 1; b[page+16+30] ^= 1 })},
		{"all but the meta pages zeroed", "", edit(func(b []byte) { clear(b[2*page:]) })},
		{"free list zeroed", "", edit(func(b []byte) { clearPages(b, 0x10) })},
		{"a page in use listed as free", "out of bounds or in use", edit(func(b []byte) {
			at := 16 // of the newest meta page's fields
			if binary.NativeEndian.Uint64(b[page+16+48:]) > binary.NativeEndian.Uint64(b[16+48:]) {
				at += page
			}
			list := binary.NativeEndian.Uint64(b[at+32:]) * page
			copy(b[list+16:list+24], b[at+16:at+24]) // the root
		})},
		{"branch page zeroed", "", edit(func(b []byte) { clearPages(b, 0x01) })},
		{"a value flipped", "bad checksum", flip("the value of 17-3")},
		{"a large value flipped", "bad checksum", flip(strings.Repeat("large", 4000))},
		{"a key flipped", "", flip("things\x0011-4")},
		{"an event flipped", "an event of the log has a bad checksum", flip("the event 23")},
		{"foreign", "no Gatehouse store", bboltFile(t, nil, func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("records"))
			return err
		})},
		{"no header", "header record is damaged", setHeader("")},
		{"another header", "header record is damaged", setHeader(`{"v":1}`)},
		{"no bucket", `"expiry" is missing`, bboltFile(t, whole, func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("expiry")) })},
		{"an expiry missing", "bad expiry", bboltFile(t, whole, func(tx *bbolt.Tx) error {
			c := tx.Bucket([]byte("expiry")).Cursor()
			c.First()
			return c.Delete()
		})},
		{"an expiry too many", "31 expiries are listed for 30 records", bboltFile(t, whole, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("expiry")).Put([]byte("12345678u\x00things\x00x"), nil)
		})},
		{"a record of another place", "bad checksum", bboltFile(t, whole, func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("records"))
			return b.Put([]byte("u\x00things\x0000-2"), bytes.Clone(b.Get([]byte("u\x00things\x0000-1"))))
		})},
		{"versions gone back", "bad version", bboltFile(t, whole, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("records")).SetSequence(5) })},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			s, openErr := boltkv.Open(path, boltkv.Options{})
			if openErr == nil {
				_ = s.Close()
			}
			for name, err := range map[string]error{"Open": openErr, "Check": boltkv.Check(path), "Compact": boltkv.Compact(path, path+".compact")} {
				if !errors.Is(err, kv.ErrCorrupt) {
					t.Errorf("%s: got %v, want ErrCorrupt", name, err)
					continue
				}
				for _, want := range []string{path + ": ", c.says, "restore the last good backup"} {
					if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
						t.Errorf("%s: got %q, want one line with %q", name, err, want)
					}
				}
			}
			wantFile(t, path, c.file)
		})
	}

	t.Run("later format", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "store.db")
		later := setHeader(`{"format":2,"id":"X","more":true}`)
		if err := os.WriteFile(path, later, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := boltkv.Open(path, boltkv.Options{})
		if err == nil || !strings.Contains(err.Error(), path+": it has format 2 and this release knows 1") {
			t.Errorf("got %v, want that the format is from a later release", err)
		}
		wantFile(t, path, later)
	})
}

// wantFile checks that path is alone in its folder and has this content.
func wantFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file was changed (%v)", err)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("got files %v, want the store alone", files)
	}
}

// A single damaged meta page is what a power cut may leave: the store opens at the commit before, says so, and Check tells.
func TestOneDamagedMetaPageIsSurvived(t *testing.T) {
	whole := sample(t)
	for n := range 2 {
		path := filepath.Join(t.TempDir(), "store.db")
		b := bytes.Clone(whole)
		clear(b[n*page : (n+1)*page])
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := boltkv.Check(path); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("meta page %d: Check: got %v, want ErrCorrupt", n, err)
		}
		s := open(t, path, boltkv.Options{})
		h, err := s.Health(t.Context())
		if err != nil || len(h.Warnings) != 1 || !strings.Contains(h.Warnings[0], "meta pages") {
			t.Errorf("meta page %d: Health: got %+v, %v; want a warning", n, h, err)
		}
		if it := read(t, s, kv.Key{Coll: things, ID: "28-1"}); string(it.Value) != "the value of 28-1" {
			t.Errorf("meta page %d: got %+v", n, it)
		}
		apply(t, s, kv.Tx{Puts: []kv.Put{{Key: thing}}})
		apply(t, s, kv.Tx{Puts: []kv.Put{{Key: thing}}})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := boltkv.Check(path); err != nil {
			t.Errorf("meta page %d: after two commits: %v", n, err)
		}
	}
}

// Whichever bytes are damaged, what the store says is true or it says that it is damaged; it never ends the process.
func TestRandomDamageIsNeverBelieved(t *testing.T) {
	whole := sample(t)
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	want := everything(t, path)
	if len(want) != 301+30 {
		t.Fatalf("got %d records and events, want 331", len(want))
	}
	inUse := used(whole)
	refused, lucky := 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := bytes.Clone(whole)
		at := 2*page + r.IntN(inUse-2*page)
		if seed%2 == 0 {
			at = at/page*page + r.IntN(200) // heads and elements of pages, where bbolt keeps its pointers
		}
		for range 1 + r.IntN(4) {
			b[at] ^= byte(1 + r.IntN(255))
			at += r.IntN(3)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got := everything(t, path)
		if got == nil {
			refused++
			continue
		}
		lucky++ // the bytes were not in use
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("seed %d: the store opened and does not hold what was written", seed)
		}
	}
	t.Logf("%d files refused, %d damaged where nothing is", refused, lucky)
	if refused < 50 || lucky == 0 {
		t.Errorf("%d files refused and %d not: the test damages the wrong bytes", refused, lucky)
	}
}

// everything returns what the store at path holds, nil when it says that it is damaged.
func everything(t *testing.T, path string) map[string]string {
	t.Helper()
	s, err := boltkv.Open(path, boltkv.Options{})
	if errors.Is(err, kv.ErrCorrupt) {
		return nil
	}
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	all := map[string]string{}
	err = s.Scan(t.Context(), func(u kv.Unit, coll string, it kv.Item) error {
		all[string(u)+" "+coll+" "+it.ID] = fmt.Sprint(it.Version, it.ExpiresAt.UnixMilli(), string(it.Value))
		return nil
	})
	if err != nil {
		t.Errorf("Scan: %v", err)
	}
	entries, err := s.ReadLog(t.Context(), "u", "", kv.MaxPage, 0)
	if err != nil {
		t.Errorf("ReadLog: %v", err)
	}
	for _, e := range entries {
		all["event "+string(e.Cursor)] = string(e.Data)
	}
	return all
}

// Damage that comes while the store is open is told as such by whatever meets it; the process lives, and the store can be closed.
func TestDamageWhileOpenIsToldAndEndsUse(t *testing.T) {
	whole := sample(t)
	for name, damage := range map[string]func(path string) error{
		"pages zeroed": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(make([]byte, len(whole)-2*page), 2*page)
			return errors.Join(err, f.Close())
		},
		"cut off": func(path string) error { return os.Truncate(path, 2*page) },
	} {
		for _, first := range []string{"Get", "Apply"} {
			t.Run(name+" before "+first, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "store.db")
				if err := os.WriteFile(path, whole, 0o600); err != nil {
					t.Fatal(err)
				}
				s := open(t, path, boltkv.Options{})
				calls := map[string]func(context.Context) error{
					"Get": func(ctx context.Context) error {
						_, err := s.Get(ctx, "u", kv.Key{Coll: things, ID: "11-1"})
						return err
					},
					"Apply": func(ctx context.Context) error {
						_, err := s.Apply(ctx, "u", kv.Tx{ID: kv.NewTxID(), Puts: []kv.Put{{Key: thing}}})
						return err
					},
					"Health": func(ctx context.Context) error {
						_, err := s.Health(ctx)
						return err
					},
					"WriteTo": func(context.Context) error {
						_, err := s.WriteTo(new(bytes.Buffer))
						return err
					},
				}
				if err := damage(path); err != nil {
					t.Fatal(err)
				}
				for _, call := range []string{first, "Get", "Apply", "Health", "WriteTo"} {
					if err := calls[call](t.Context()); !errors.Is(err, kv.ErrCorrupt) || !strings.Contains(err.Error(), path) {
						t.Errorf("%s: got %v, want ErrCorrupt with the file's name", call, err)
					}
				}
			})
		}
	}
}

// A record whose bytes changed is an error to who reads it and a warning to the operator; the others are served.
func TestFlippedRecordIsToldToItsReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, sample(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, boltkv.Options{})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte("the value of 09-7"))
		if i < 0 {
			break
		}
		if _, err := f.WriteAt([]byte("T"), int64(from+i)); err != nil {
			t.Fatal(err)
		}
		from += i + 1
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	flipped, other := kv.Key{Coll: things, ID: "09-7"}, kv.Key{Coll: things, ID: "09-6"}
	if _, err := s.Get(t.Context(), "u", other, flipped); !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("Get: got %v, want ErrCorrupt", err)
	}
	for name, tx := range map[string]kv.Tx{
		"check":  {Checks: []kv.Check{{Key: flipped}}, Puts: []kv.Put{{Key: thing}}},
		"put":    {Puts: []kv.Put{{Key: thing}, {Key: flipped}}},
		"delete": {Puts: []kv.Put{{Key: thing}}, Deletes: []kv.Key{flipped}},
	} {
		tx.ID = kv.NewTxID()
		if _, err := s.Apply(t.Context(), "u", tx); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
	if it := read(t, s, thing); it.Version != 0 {
		t.Errorf("got %+v: a refused transaction left something behind", it)
	}
	if it := read(t, s, other); string(it.Value) != "the value of 09-6" {
		t.Errorf("got %+v, want the other record", it)
	}
	apply(t, s, kv.Tx{Checks: []kv.Check{{Key: thing}}, Puts: []kv.Put{{Key: other}}})
	h, err := s.Health(t.Context())
	if err != nil || len(h.Warnings) != 1 || !strings.Contains(h.Warnings[0], "wrong checksum") {
		t.Errorf("Health: got %+v, %v; want a warning", h, err)
	}
}

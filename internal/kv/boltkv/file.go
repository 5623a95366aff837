package boltkv

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// format is the version of the file's layout. A change that this release could not read raises it.
const format = 1

const (
	lockTimeout = time.Second
	growBy      = 4 << 20  // the file grows in such steps; the space is a hole until it is used
	mapAhead    = 16 << 30 // addresses reserved: a file that outgrew them would be remapped, which waits for every reader
)

// A header is what makes a bbolt file ours.
type header struct {
	Format int    `json:"format"`
	ID     string `json:"id"`
}

// A boltFile is an open, locked file whose header has been read.
type boltFile struct {
	path      string
	db        *bbolt.DB
	file      *os.File
	header    header
	badMetas  int // meta pages that are damaged; bbolt works with one of the two
	openToAll bool
}

func closeAfter(f *boltFile, err error) error {
	_ = f.db.Close()
	return err
}

// createIfAbsent makes a whole, synced store under a temporary name and links it to path: a crash leaves none or all of it, and
// of two processes that begin at once one wins and both open the same file. A link, not a rename: a rename would replace.
func createIfAbsent(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // openFile reports what is wrong with it
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	err := makeFile(path, func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			for _, name := range [][]byte{bucketHeader, bucketRecords, bucketExpiry, bucketLog} {
				if _, err := tx.CreateBucket(name); err != nil {
					return err
				}
			}
			h, err := json.Marshal(header{Format: format, ID: rand.Text()})
			if err != nil {
				return err
			}
			return tx.Bucket(bucketHeader).Put(keyHeader, h)
		})
	})
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// makeFile makes a bbolt file with fill and puts it at path, synced. It is fs.ErrExist when there is a file by then.
func makeFile(path string, fill func(*bbolt.DB) error) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".new-*") // 0600
	if err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	db, err := bbolt.Open(tmp.Name(), 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return fmt.Errorf("create store %s: %w", path, err)
	}
	err = fill(db)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("create store %s: %w", path, err)
	}
	if err := os.Link(tmp.Name(), path); err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

var errEmpty = errors.New("the file is empty, which no store ever is")

// openFile opens and locks what is at path and reads its header. It creates nothing and repairs nothing.
func openFile(path string, readOnly bool) (_ *boltFile, err error) {
	f := &boltFile{path: path}
	defer func() {
		if err != nil && f.file != nil {
			_ = f.file.Close() // after a panic bbolt has left it open and locked
		}
	}()
	defer catch(debug.SetPanicOnFault(true), path, &err)

	options := &bbolt.Options{
		Timeout:      lockTimeout,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		ReadOnly:     readOnly,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			file, err := os.OpenFile(name, flag&^os.O_CREATE, mode)
			if err != nil {
				return nil, err
			}
			f.file = file
			info, err := file.Stat()
			switch {
			case err != nil:
				return nil, err
			case !info.Mode().IsRegular():
				return nil, fmt.Errorf("open %s: not a regular file", name)
			case info.Size() == 0:
				return nil, errEmpty // bbolt would make a new database of it
			}
			f.openToAll = info.Mode().Perm()&0o077 != 0
			return file, nil
		},
	}
	if strconv.IntSize == 64 {
		options.InitialMmapSize = mapAhead
	}
	f.db, err = bbolt.Open(path, 0o600, options)
	if errors.Is(err, syscall.ENOMEM) { // the process may not have that many addresses
		options.InitialMmapSize = 0
		f.db, err = bbolt.Open(path, 0o600, options)
	}
	if err != nil {
		return nil, openError(path, err)
	}
	f.db.AllocSize = growBy
	if err := f.readHeader(); err != nil {
		return nil, closeAfter(f, err)
	}
	return f, nil
}

func openError(path string, err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w: another process has the store %s open: stop it first, or use the commands that talk to the running server", kv.ErrUnavailable, path)
	case errors.Is(err, errEmpty), errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return corrupt(path, err)
	case errors.As(err, &errno), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: open store %s: %w", kv.ErrUnavailable, path, err)
	default: // "file size too small" and the like have no value to compare with
		return corrupt(path, err)
	}
}

// readHeader refuses what is not a whole store of this format.
func (f *boltFile) readHeader() error {
	info, err := f.file.Stat()
	if err != nil {
		return fmt.Errorf("%w: open store: %w", kv.ErrUnavailable, err)
	}
	for n := range 2 {
		if _, err := readMeta(f.file, f.db.Info().PageSize, n); err != nil {
			f.badMetas++
		}
	}
	return f.db.View(func(tx *bbolt.Tx) error {
		if info.Size() < tx.Size() {
			return corrupt(f.path, fmt.Sprintf("the file is cut off: it has %d bytes, want %d", info.Size(), tx.Size()))
		}
		b := tx.Bucket(bucketHeader)
		if b == nil {
			return corrupt(f.path, "the file is a bbolt database but no Gatehouse store")
		}
		if err := json.Unmarshal(b.Get(keyHeader), &f.header); err != nil || f.header.Format < 1 || f.header.ID == "" {
			return corrupt(f.path, "the header record is damaged")
		}
		if f.header.Format > format {
			return fmt.Errorf("open store %s: it has format %d and this release knows %d: start the release that wrote it, or restore a backup that this one made", f.path, f.header.Format, format)
		}
		for _, name := range [][]byte{bucketRecords, bucketExpiry, bucketLog} {
			if tx.Bucket(name) == nil {
				return corrupt(f.path, fmt.Sprintf("bucket %q is missing", name))
			}
		}
		return nil
	})
}

// verifyLimit is the size up to which every page and record is verified whenever the store is opened; 256 MiB take about half
// a second. In a larger file damage shows when it is read, or to Check.
const verifyLimit = 256 << 20

func (f *boltFile) verifyAtStart() error {
	info, err := f.file.Stat()
	if err != nil {
		return fmt.Errorf("%w: open store: %w", kv.ErrUnavailable, err)
	}
	if info.Size() > verifyLimit {
		return nil
	}
	return f.verify()
}

// warnings are what is no reason to refuse the file.
func (f *boltFile) warnings() []string {
	var w []string
	if f.badMetas > 0 {
		w = append(w, fmt.Sprintf("One of the two meta pages of %s was damaged when it was opened: if the machine did not lose power in the midst of a write, the last acknowledged change may be missing; compare with a backup.", f.path))
	}
	if f.openToAll {
		w = append(w, fmt.Sprintf("%s can be read or written by others than its owner: chmod 600 it.", f.path))
	}
	return w
}

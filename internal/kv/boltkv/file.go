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
	growBy      = 4 << 20                      // the file grows in such steps; the space is a hole until it is used
	mapAhead    = 1 << (strconv.IntSize/2 + 2) // addresses reserved, 16 GiB of 64 bits: a file that outgrew them would be remapped, which waits for every reader
)

// verifyLimit is the size up to which every page and record is verified whenever the store is opened; 256 MiB take about half
// a second. In a larger file damage shows when it is read, or to Check.
const verifyLimit = 256 << 20

// A header is what makes a bbolt file ours.
type header struct {
	Format int    `json:"format"`
	ID     string `json:"id"`
}

// A boltFile is an open, locked file whose structure and header have been read.
type boltFile struct {
	path      string
	db        *bbolt.DB
	file      *os.File
	meta      meta
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

// openFile opens and locks what is at path and reads its header. It creates nothing and repairs nothing. The structure of a
// file of up to limit bytes is verified before bbolt, which trusts it, sees it.
func openFile(path string, readOnly bool, limit uint64) (_ *boltFile, err error) {
	f := &boltFile{path: path}
	defer func() {
		if err != nil && f.file != nil {
			release(f.file)
		}
	}()
	defer catch(debug.SetPanicOnFault(true), path, &err)

	options := &bbolt.Options{
		Timeout:         lockTimeout,
		FreelistType:    bbolt.FreelistMapType,
		NoStatistics:    true,
		ReadOnly:        readOnly,
		InitialMmapSize: mapAhead,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			return f.open(name, flag&^os.O_CREATE, readOnly, limit)
		},
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

// release unlocks and closes a file that bbolt may still have mapped: the mapping alone would keep the lock.
func release(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	_ = file.Close()
}

// open opens the file for bbolt, which takes the lock once more, to no effect.
func (f *boltFile) open(name string, flag int, readOnly bool, limit uint64) (_ *os.File, err error) {
	file, err := os.OpenFile(name, flag|syscall.O_NONBLOCK, 0) // a named pipe must not keep us waiting
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			release(file)
		}
	}()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("open store %s: not a regular file", name)
	}
	if err := lock(file, readOnly); err != nil {
		return nil, err
	}
	// Only under the lock is its size its own.
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	if info.Size() == 0 { // bbolt would make a new database of it
		return nil, corrupt(name, "the file is empty, which no store ever is")
	}
	if f.meta, f.badMetas, err = newestMeta(file); err != nil {
		return nil, corrupt(name, err)
	}
	used := f.meta.end * uint64(f.meta.pageSize)
	if f.meta.end > uint64(info.Size()) || used > uint64(info.Size()) {
		return nil, corrupt(name, fmt.Sprintf("the file is cut off: it has %d bytes, want %d", info.Size(), used))
	}
	if used <= limit {
		if err := verifyPages(file, f.meta); err != nil {
			return nil, corrupt(name, err)
		}
	}
	f.file = file
	f.openToAll = info.Mode().Perm()&0o077 != 0
	return file, nil
}

// lock takes the lock on the file that bbolt takes, within lockTimeout.
func lock(file *os.File, shared bool) error {
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(lockTimeout / 20) {
		err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("lock: %w", err)
		}
		if time.Now().After(deadline) {
			return bolterrors.ErrTimeout
		}
	}
}

func openError(path string, err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, kv.ErrCorrupt):
		return err
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w: another process has the store %s open: stop it first, or use the commands that talk to the running server", kv.ErrUnavailable, path)
	case errors.As(err, &errno):
		return fmt.Errorf("%w: open store %s: %w", kv.ErrUnavailable, path, err)
	default:
		return fmt.Errorf("open store %s: %w", path, err)
	}
}

// readHeader refuses what is not a whole store of this format.
func (f *boltFile) readHeader() error {
	return f.db.View(func(tx *bbolt.Tx) error {
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

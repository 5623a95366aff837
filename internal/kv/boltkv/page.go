package boltkv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt's own check follows the pages' pointers through the mapped file in a goroutine of its own, where a wild one ends the
// process. This walk reads the same structure with bounds on everything; what passes it is safe for bbolt.

// A meta is a meta page of bbolt's file format 2, as far as the walk needs it.
type meta struct {
	pageSize                  int
	root, freelist, end, txid uint64 // end: the first page number that is not in use
}

const (
	metaMagic      = 0xED0CDAED
	metaVersion    = 2
	pageHeaderSize = 16 // id 8, flags 2, count 2, overflow 4
	elementSize    = 16 // branch: position 4, key size 4, page 8; leaf: flags 4, position 4, key size 4, value size 4

	branchPage, leafPage, freelistPage = 0x01, 0x02, 0x10

	bucketElement    = 0x01
	bucketHeaderSize = 16 // root page 8, sequence 8
	noFreelist       = ^uint64(0)
)

// native is the order of bytes that bbolt writes: the machine's.
var native = binary.NativeEndian

// newestMeta returns the meta page that bbolt will use and how many of the two are damaged. The first is at the file's start,
// the second one page later, whose size only a whole meta page tells: bbolt has 1 KiB to 16 MiB.
func newestMeta(r io.ReaderAt) (m meta, bad int, err error) {
	first, err := readMeta(r, 0)
	if err != nil {
		bad++
		for size := int64(1 << 10); size <= 16<<20; size *= 2 {
			if second, err := readMeta(r, size); err == nil && int64(second.pageSize) == size {
				return second, bad, nil
			}
		}
		return meta{}, 2, errors.New("both meta pages are damaged, or the file is something else")
	}
	second, err := readMeta(r, int64(first.pageSize))
	if err != nil {
		return first, 1, nil
	}
	if second.txid > first.txid {
		return second, 0, nil
	}
	return first, 0, nil
}

// readMeta reads and validates the meta page at offset at.
func readMeta(r io.ReaderAt, at int64) (meta, error) {
	buf := make([]byte, pageHeaderSize+64)
	if _, err := r.ReadAt(buf, at); err != nil {
		return meta{}, fmt.Errorf("read meta page: %w", err)
	}
	b := buf[pageHeaderSize:]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:56])
	m := meta{
		pageSize: int(native.Uint32(b[8:])),
		root:     native.Uint64(b[16:]),
		freelist: native.Uint64(b[32:]),
		end:      native.Uint64(b[40:]),
		txid:     native.Uint64(b[48:]),
	}
	if native.Uint32(b) != metaMagic || native.Uint32(b[4:]) != metaVersion || native.Uint64(b[56:]) != sum.Sum64() || m.pageSize < 1<<10 || m.end < 2 {
		return meta{}, errors.New("the meta page is damaged")
	}
	return m, nil
}

// A pageWalk verifies each page that can be reached, once.
type pageWalk struct {
	r        io.ReaderAt
	pageSize int
	end      uint64
	seen     []bool // by page number
	key      []byte // the last key of the bucket that is being walked
}

// verifyPages walks all pages of a commit and returns the first fault in their structure. The file is at least as long as m says.
func verifyPages(r io.ReaderAt, m meta) error {
	w := &pageWalk{r: r, pageSize: m.pageSize, end: m.end, seen: make([]bool, m.end)}
	w.seen[0], w.seen[1] = true, true
	if err := w.bucket(m.root, 0); err != nil {
		return err
	}
	if m.freelist == noFreelist {
		return nil
	}
	return w.freelist(m.freelist)
}

// page reads a page with its overflow.
func (w *pageWalk) page(id uint64) (data []byte, flags uint16, count int, err error) {
	if id >= w.end || w.seen[id] {
		return nil, 0, 0, fmt.Errorf("page %d is out of bounds or used twice", id)
	}
	head := make([]byte, pageHeaderSize)
	if _, err := w.r.ReadAt(head, int64(id)*int64(w.pageSize)); err != nil {
		return nil, 0, 0, fmt.Errorf("read page %d: %w", id, err)
	}
	pages := uint64(native.Uint32(head[12:])) + 1
	if native.Uint64(head) != id || pages > w.end-id {
		return nil, 0, 0, fmt.Errorf("page %d has a damaged head", id)
	}
	for n := id; n < id+pages; n++ {
		if w.seen[n] {
			return nil, 0, 0, fmt.Errorf("page %d is used twice", n)
		}
		w.seen[n] = true
	}
	data = make([]byte, pages*uint64(w.pageSize))
	if _, err := w.r.ReadAt(data, int64(id)*int64(w.pageSize)); err != nil {
		return nil, 0, 0, fmt.Errorf("read page %d: %w", id, err)
	}
	return data, native.Uint16(head[8:]), int(native.Uint16(head[10:])), nil
}

// bucket walks the tree of a bucket whose pages begin at root.
func (w *pageWalk) bucket(root uint64, depth int) error {
	outer := w.key
	w.key = nil
	err := w.tree(root, depth)
	w.key = outer
	return err
}

// maxDepth bounds the recursion; a tree of bbolt's is far from it before it fills any disk.
const maxDepth = 64

var errElement = errors.New("an element is out of bounds or out of order")

func (w *pageWalk) tree(id uint64, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d: the tree is deeper than %d", id, maxDepth)
	}
	data, flags, count, err := w.page(id)
	if err != nil {
		return err
	}
	switch flags {
	case branchPage:
		if count == 0 || pageHeaderSize+count*elementSize > len(data) {
			return fmt.Errorf("page %d: %w", id, errElement)
		}
		for i := range count {
			at := pageHeaderSize + i*elementSize
			e := data[at : at+elementSize]
			key, ok := slice(data, at, native.Uint32(e), native.Uint32(e[4:]))
			if !ok || w.key != nil && bytes.Compare(key, w.key) < 0 {
				return fmt.Errorf("page %d: %w", id, errElement)
			}
			if err := w.tree(native.Uint64(e[8:]), depth+1); err != nil {
				return err
			}
			if bytes.Compare(w.key, key) < 0 {
				return fmt.Errorf("page %d: %w", id, errElement)
			}
		}
		return nil
	case leafPage:
		if err := w.leaf(data, count, depth); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
		return nil
	default:
		return fmt.Errorf("page %d is of unknown type %#x", id, flags)
	}
}

// leaf walks the elements of a leaf page, which may lie in the value of another one.
func (w *pageWalk) leaf(data []byte, count, depth int) error {
	if pageHeaderSize+count*elementSize > len(data) {
		return errElement
	}
	for i := range count {
		at := pageHeaderSize + i*elementSize
		e := data[at : at+elementSize]
		pos, keySize, valueSize := native.Uint32(e[4:]), native.Uint32(e[8:]), native.Uint32(e[12:])
		key, ok := slice(data, at, pos, keySize)
		if !ok || len(key) == 0 || w.key != nil && bytes.Compare(key, w.key) <= 0 {
			return errElement
		}
		value, ok := slice(data, at+int(keySize), pos, valueSize)
		if !ok {
			return errElement
		}
		w.key = key
		if native.Uint32(e)&bucketElement == 0 {
			continue
		}
		if len(value) < bucketHeaderSize {
			return errElement
		}
		if root := native.Uint64(value); root != 0 {
			if err := w.bucket(root, depth+1); err != nil {
				return err
			}
			continue
		}
		inline := value[bucketHeaderSize:]
		if len(inline) < pageHeaderSize || native.Uint16(inline[8:]) != leafPage || depth > maxDepth {
			return errElement
		}
		outer := w.key
		w.key = nil
		err := w.leaf(inline, int(native.Uint16(inline[10:])), depth+1)
		w.key = outer
		if err != nil {
			return err
		}
	}
	return nil
}

// slice returns size bytes that begin pos bytes after base.
func slice(data []byte, base int, pos, size uint32) ([]byte, bool) {
	from := uint64(base) + uint64(pos)
	if from+uint64(size) > uint64(len(data)) {
		return nil, false
	}
	return data[from : from+uint64(size)], true
}

// freelist verifies that what is listed as free is in the file, listed once and not in use.
func (w *pageWalk) freelist(id uint64) error {
	data, flags, count, err := w.page(id)
	if err != nil {
		return err
	}
	n, from := uint64(count), pageHeaderSize
	if count == 0xFFFF { // more than fit the head: the first number is their count
		n, from = native.Uint64(data[pageHeaderSize:]), pageHeaderSize+8
	}
	if flags != freelistPage || n > uint64(len(data)-from)/8 {
		return fmt.Errorf("page %d is no free list", id)
	}
	for i := range n {
		free := native.Uint64(data[uint64(from)+i*8:])
		if free >= w.end || w.seen[free] {
			return fmt.Errorf("free page %d is out of bounds or in use", free)
		}
		w.seen[free] = true
	}
	return nil
}

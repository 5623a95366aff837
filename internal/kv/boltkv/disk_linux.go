package boltkv

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lowSpace is the free space below which an operator is warned.
const lowSpace = 64 << 20

// networkFS are the file systems on which a lock or a sync may not mean what bbolt needs.
var networkFS = map[uint32]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	0xFE534D42:            "SMB2", // SMB2_SUPER_MAGIC
	0xFF534D42:            "CIFS", // CIFS_SUPER_MAGIC
	unix.V9FS_MAGIC:       "9P",
	unix.CEPH_SUPER_MAGIC: "CephFS",
	unix.AFS_SUPER_MAGIC:  "AFS",
}

// diskWarnings tells what is wrong with the disk that path lies on.
func diskWarnings(path string) []string {
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &st); err != nil {
		return []string{fmt.Sprintf("The disk of %s cannot be examined: %v.", path, err)}
	}
	var w []string
	if name, ok := networkFS[uint32(st.Type)]; ok {
		w = append(w, fmt.Sprintf("%s lies on a network share (%s), where locks and syncs are not reliable: move it to a local disk.", path, name))
	}
	if free := st.Bavail * uint64(st.Bsize); free < lowSpace {
		w = append(w, fmt.Sprintf("The disk of %s has %d MiB left: free some space.", path, free>>20))
	}
	return w
}

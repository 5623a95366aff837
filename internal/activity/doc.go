// Package activity remembers what is worth knowing and not worth a write of its own: failed authentications by subject, network and
// minute, the last use of secrets and subjects, and refused token requests. It counts in memory, in bounded space whatever a
// stranger sends, and writes in batches beside the requests: a token costs no write and waits for none. A crash loses what was
// counted since the last flush, less than a minute of it.
//
// It imports iam; what it writes goes through the Store that it declares. The audit log, which loses nothing, is package audit.
package activity

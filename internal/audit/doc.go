// Package audit is the form of the audit log: what a line says, how each line holds on to the one before, and what it takes to see
// that somebody has changed, taken out, put in or cut off lines afterwards.
//
// Lines lie in streams: one for each organization, one for each tree of nodes above organizations, one for the platform. Within a
// stream they are numbered from 1, and each carries the SHA-256 of the line before and of itself, so that whoever has all lines
// can check them without us (Check). Where a stream ends is its Head, which carries a MAC under a key of the installation (Key):
// who can write the store alone cannot make another one. A head that was taken out is an anchor; given to a later check it also
// shows that the whole store was set back.
//
// It imports nothing of Gatehouse. Which change makes which line is directory's, where lines lie is store's.
package audit

package audit

import "fmt"

// The kinds of fault that a check finds.
const (
	FaultEdited     = "edited"     // the line is not what its hash says
	FaultMissing    = "missing"    // lines between two are gone
	FaultOrder      = "order"      // the line stands where another number should: it was moved, doubled or put in
	FaultReplaced   = "replaced"   // the line is whole, but the one after it continues another
	FaultCut        = "cut"        // the stream ends before its head, or goes on after it
	FaultHead       = "head"       // the head is missing or not one that this installation made
	FaultAnchor     = "anchor"     // what the anchor saw is not in the stream: it was set back or rewritten
	FaultUnreadable = "unreadable" // what is stored is no line
)

// A Fault is one thing that is wrong with a stream. Seq is the line that it is about.
type Fault struct {
	Seq     uint64 `json:"seq"`
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// A Report is what a check found. No faults: the lines are those that were written, all of them, in their order.
type Report struct {
	Stream string  `json:"stream"`
	Lines  uint64  `json:"lines"`
	Hash   string  `json:"hash,omitempty"` // of the last line
	Faults []Fault `json:"faults"`
	More   int     `json:"more_faults,omitempty"` // how many were found beyond those listed
}

// maxFaults bounds how many faults a report lists.
const maxFaults = 50

// A Check reads the lines of one stream in their order, oldest first, and then says what is wrong with them.
type Check struct {
	report  Report
	last    uint64 // number of the last line that stood where it should
	hash    string // of that line
	anchors []Head
}

// NewCheck begins a check of a stream. anchors are heads that were taken out of it earlier, and are believed.
func NewCheck(stream string, anchors ...Head) *Check {
	return &Check{report: Report{Stream: stream, Faults: []Fault{}}, anchors: anchors}
}

// Add checks the next line.
func (c *Check) Add(e Event) {
	c.report.Lines++
	hash, err := e.digest()
	switch {
	case err != nil || hash != e.Hash:
		c.fault(e.Seq, FaultEdited, "line %d is not what was written: its hash does not match it", e.Seq)
	case e.Stream != c.report.Stream:
		c.fault(e.Seq, FaultOrder, "line %d is one of another stream, %q", e.Seq, e.Stream)
	}
	if e.Action == Broken {
		c.fault(e.Seq, FaultHead, "before line %d, the record of where the stream ends was found to be none of this installation", e.Seq)
	}
	switch next := c.last + 1; {
	case e.Seq > next:
		c.fault(next, FaultMissing, "%s missing", span(next, e.Seq-1))
	case e.Seq < next:
		c.fault(e.Seq, FaultOrder, "line %d stands after line %d", e.Seq, c.last)
		return
	case e.Prev != c.hash:
		c.fault(max(c.last, 1), FaultReplaced, "line %d does not continue line %d as it stands", e.Seq, c.last)
	}
	c.last, c.hash = e.Seq, e.Hash
	for _, a := range c.anchors {
		if a.Seq == e.Seq && a.Hash != e.Hash {
			c.fault(e.Seq, FaultAnchor, "line %d is another one than the anchor of %s saw", e.Seq, a.Time.Format(timeForm))
		}
	}
}

// Unreadable notes a stored record that holds no lines.
func (c *Check) Unreadable(first uint64) {
	c.fault(first, FaultUnreadable, "what is stored as line %d cannot be read", first)
}

// End compares the end of the stream with its head, nil when that is not at hand, as for a file: then only an anchor shows that
// the end was cut off.
func (c *Check) End(head *Head, key Key) Report {
	if head != nil {
		switch {
		case head.Seq == 0 && head.MAC == "":
			if c.last > 0 {
				c.fault(c.last, FaultHead, "the record of where the stream ends is missing")
			}
		case head.Stream != c.report.Stream || !key.Signed(*head):
			c.fault(head.Seq, FaultHead, "the record of where the stream ends was not made by this installation")
		case head.Seq > c.last:
			c.fault(c.last+1, FaultCut, "%s missing: the stream was cut", span(c.last+1, head.Seq))
		case head.Seq < c.last:
			c.fault(head.Seq+1, FaultCut, "the stream goes on after its end, line %d", head.Seq)
		case head.Hash != c.hash:
			c.fault(head.Seq, FaultReplaced, "line %d is not the one that the stream ended with", head.Seq)
		}
	}
	for _, a := range c.anchors {
		if a.Seq > c.last {
			c.fault(c.last+1, FaultAnchor, "the stream ends at line %d, and the anchor of %s saw line %d: it was set back or cut",
				c.last, a.Time.Format(timeForm), a.Seq)
		}
	}
	c.report.Hash = c.hash
	return c.report
}

const timeForm = "2006-01-02T15:04:05Z07:00"

func span(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("line %d is", from)
	}
	return fmt.Sprintf("lines %d to %d are", from, to)
}

func (c *Check) fault(seq uint64, kind, format string, args ...any) {
	if len(c.report.Faults) == maxFaults {
		c.report.More++
		return
	}
	c.report.Faults = append(c.report.Faults, Fault{Seq: seq, Kind: kind, Message: fmt.Sprintf(format, args...)})
}

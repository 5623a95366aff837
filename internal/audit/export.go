package audit

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A Writer writes lines for others to keep.
type Writer struct {
	line  func(Event) error
	flush func() error
}

// Line writes a line, perhaps later.
func (w *Writer) Line(e Event) error { return w.line(e) }

// Flush writes what Line has put off.
func (w *Writer) Flush() error { return w.flush() }

// NewJSONLines writes one JSON object per line: what CheckFile checks.
func NewJSONLines(w io.Writer) *Writer {
	b := bufio.NewWriter(w)
	encoder := json.NewEncoder(b)
	return &Writer{line: func(e Event) error { return encoder.Encode(&e) }, flush: b.Flush}
}

// NewCSV writes RFC 4180 for spreadsheets. A cell that one would take for a formula begins with an apostrophe, so a chain cannot be
// checked from this form.
func NewCSV(w io.Writer) *Writer {
	c := csv.NewWriter(w)
	begun := false
	return &Writer{
		line: func(e Event) error {
			if !begun {
				begun = true
				if err := c.Write(csvHead); err != nil {
					return err
				}
			}
			return c.Write(csvRow(e))
		},
		flush: func() error {
			c.Flush()
			return c.Error()
		},
	}
}

var csvHead = []string{
	"stream", "seq", "time", "actor", "actor_name", "client", "requested_by", "request_id", "action", "subject", "node", "outcome", "code",
	"before", "after", "hash",
}

func csvRow(e Event) []string {
	row := []string{
		e.Stream, strconv.FormatUint(e.Seq, 10), e.Time.Format(time.RFC3339Nano), e.Actor, e.ActorName, e.Client, e.RequestedBy, e.RequestID,
		e.Action, e.Subject, e.Node, e.Outcome, e.Code, string(e.Before), string(e.After), e.Hash,
	}
	for i, cell := range row {
		if cell != "" && strings.ContainsRune("=+-@\t\r\n'", rune(cell[0])) {
			row[i] = "'" + cell
		}
	}
	return row
}

// maxLine is the longest line of a file that is read.
const maxLine = 1 << 20

// CheckFile checks an export in JSON Lines, whole and without filter, against anchors.
func CheckFile(r io.Reader, anchors ...Head) (Report, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var check *Check
	n := 0
	for lines.Scan() {
		n++
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return Report{}, fmt.Errorf("line %d is no line of an audit log in JSON Lines", n)
		}
		if check == nil {
			for _, a := range anchors {
				if a.Stream != e.Stream {
					return Report{}, fmt.Errorf("the anchor is of stream %s, the file of %s", a.Stream, e.Stream)
				}
			}
			check = NewCheck(e.Stream, anchors...)
		}
		check.Add(e)
	}
	if err := lines.Err(); err != nil {
		return Report{}, fmt.Errorf("read the lines: %w", err)
	}
	if check == nil {
		if len(anchors) == 0 {
			return Report{Faults: []Fault{}}, nil
		}
		check = NewCheck(anchors[0].Stream, anchors...)
	}
	return check.End(nil, nil), nil
}

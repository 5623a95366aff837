package page

import (
	"fmt"
	"time"
)

// DeviceCode asks for the code that a device shows (RFC 8628 §3.3).
type DeviceCode struct {
	Head
	Code    string // as it was typed before
	Problem string // what is wrong with it; "": nothing was typed yet
}

// Template is the name of the page's file.
func (*DeviceCode) Template() string { return "device_code.html" }

// Device asks whether a device may be connected, and that its code be compared.
type Device struct {
	Head
	Client        string   // the program's name
	Code          string   // as the device shows it
	Organization  string   // in which the program will work; "": in none, or one is still to be chosen
	Organizations []Choice // to choose from; none: there is no choice
	Scopes        []string
	Audiences     []string
	Network       string        // the address that the device asked from
	HereAsWell    bool          // the person's browser comes from there, too
	Agent         string        // what the device says that it is
	Waited        time.Duration // since it asked
	Problem       string
}

// Template is the name of the page's file.
func (*Device) Template() string { return "device.html" }

// A Choice is one of several that a person can choose.
type Choice struct{ Value, Text string }

// Ago says in words how long the device has waited.
func (d *Device) Ago() string {
	switch minutes := int(d.Waited / time.Minute); {
	case d.Waited < 20*time.Second:
		return "just now"
	case minutes < 1:
		return "less than a minute ago"
	case minutes == 1:
		return "a minute ago"
	default:
		return fmt.Sprintf("%d minutes ago", minutes)
	}
}

// Wants says in words what the program will be able to do.
func (d *Device) Wants() []string {
	out := make([]string, len(d.Scopes))
	for i, s := range d.Scopes {
		out[i] = ScopeWords(s)
	}
	return out
}

// DeviceDone says what has become of the device.
type DeviceDone struct {
	Head
	Approved bool
	Problem  string // why it was not connected although the person wanted it
}

// Template is the name of the page's file.
func (*DeviceDone) Template() string { return "device_done.html" }

package apptest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Widths of the two screens that pages are looked at on, in CSS pixels.
const (
	Phone   = 360
	Desktop = 1280
)

// patience is how long a browser may take for one step before the test has failed.
const patience = 30 * time.Second

// A Tab is a headless Chromium of a test's own, with one page. Its methods do what a person does, wait for the page that follows, and
// fail the test when that is impossible. It is in English, on a desktop, in light, and runs scripts until it is told otherwise.
type Tab struct {
	t      testing.TB
	ctx    context.Context
	status int
}

// Browser starts a browser without cookies, which ends with the test.
func Browser(t testing.TB) *Tab {
	t.Helper()
	path := chromium()
	if path == "" {
		t.Fatal("there is no chromium on this machine: run .ci/tools")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.DisableGPU,
		chromedp.NoSandbox,        // Chromium refuses to run as root with one, and here it opens pages of ours alone
		chromedp.IgnoreCertErrors, // a broker of a test has made its certificate itself
		chromedp.Flag("lang", "en"),
	)
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		closeTab()
		stop()
	})
	b := &Tab{t: t, ctx: ctx}
	// The first step starts the process, whose life is that of the context it is given: it must not be one with an end.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	b.Width(Desktop)
	b.Dark(false)
	return b
}

// chromium returns the path of the browser, "" when there is none.
func chromium() string {
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome",
		"/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func (b *Tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v%s", what, err, b.where())
	}
}

func read[T any](b *Tab, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		got, err := chromedp.Run(ctx, action)
		switch {
		case err == nil:
			return got
		case !moving(err) || ctx.Err() != nil:
			b.t.Fatalf("%s: %v%s", what, err, b.where())
		}
	}
}

// moving reports whether a page could not be read because it was giving way to the next, which is asked in its place.
func moving(err error) bool {
	var e *cdproto.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, text := range []string{"navigated or closed", "context was destroyed", "Cannot find context"} {
		if strings.Contains(e.Message, text) {
			return true
		}
	}
	return false
}

// where says for a failure's text on which page it happened.
func (b *Tab) where() string {
	ctx, cancel := context.WithTimeout(b.ctx, time.Second)
	defer cancel()
	at, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return ""
	}
	text, _ := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	return " at " + at + ":\n" + text
}

// follow does what leads to another page and waits until it is there.
func (b *Tab) follow(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		b.t.Fatalf("%s: %v%s", what, err, b.where())
	}
	b.arrived(response)
}

func (b *Tab) arrived(response *network.Response) {
	if b.status = 0; response != nil {
		b.status = int(response.Status)
	}
}

// Go opens an address.
func (b *Tab) Go(url string) {
	b.t.Helper()
	b.follow("open "+url, chromedp.Navigate(url))
}

// Fill types into the field of a name, in place of what it held.
func (b *Tab) Fill(name, value string) {
	b.t.Helper()
	field := named(name)
	b.do("find "+name, chromedp.Query(field))
	b.Eval("document.querySelector(" + strconv.Quote(string(field)) + ").value = ''")
	b.do("fill in "+name, chromedp.SendKeys(field, value))
}

// Choose picks the radio button or the box of a name and a value.
func (b *Tab) Choose(name, value string) {
	b.t.Helper()
	b.do("choose "+name+"="+value, chromedp.Click(chromedp.CSS(string(named(name))+"[value="+strconv.Quote(value)+"]")))
}

// Value returns what the field of a name holds.
func (b *Tab) Value(name string) string {
	b.t.Helper()
	return read(b, "value of "+name, chromedp.Value(named(name)))
}

func named(name string) chromedp.CSS { return chromedp.CSS("[name=" + strconv.Quote(name) + "]") }

// Click presses the button or link of an id and waits for the page to which it leads.
func (b *Tab) Click(id string) {
	b.t.Helper()
	b.follow("click "+id, chromedp.Click(chromedp.ID(id)))
}

// Press presses the first button or link that a CSS selector finds, where it has no id, and waits for the page to which it leads.
func (b *Tab) Press(selector string) {
	b.t.Helper()
	b.follow("press "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Enter submits a form by the keyboard, from the field of a name.
func (b *Tab) Enter(name string) {
	b.t.Helper()
	b.follow("enter in "+name, chromedp.SendKeys(named(name), "\r"))
}

// Back goes to the page before.
func (b *Tab) Back() {
	b.t.Helper()
	b.follow("go back", chromedp.NavigateBack())
}

// Has reports whether a CSS selector finds anything on the page.
func (b *Tab) Has(selector string) bool {
	b.t.Helper()
	return read(b, "look for "+selector, chromedp.Evaluate[bool]("document.querySelector("+strconv.Quote(selector)+") !== null"))
}

// Eval returns the text that a script of the test's own finds on the page, whose own scripts may be off.
func (b *Tab) Eval(script string) string {
	b.t.Helper()
	return read(b, script, chromedp.Evaluate[string](script))
}

// Text returns the text that is seen.
func (b *Tab) Text() string {
	b.t.Helper()
	return read(b, "read the page", chromedp.Text(chromedp.CSS("body")))
}

// Title returns the title of the page.
func (b *Tab) Title() string {
	b.t.Helper()
	return read(b, "read the title", chromedp.Title())
}

// URL returns the address of the page.
func (b *Tab) URL() string {
	b.t.Helper()
	return read(b, "read the address", chromedp.Location())
}

// Status returns the status of the answer that the page came with.
func (b *Tab) Status() int { return b.status }

// Await waits until the address begins as given: a page of ours may send a form on by itself, which no click waits for.
func (b *Tab) Await(prefix string) {
	b.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for {
		if at := b.URL(); strings.HasPrefix(at, prefix) {
			return
		}
		select {
		case <-every.C:
		case <-deadline.C:
			b.t.Fatalf("waited for %s%s", prefix, b.where())
		}
	}
}

// Width makes the window as wide as a Phone or a Desktop. At the width of a phone it is one: with a finger, at twice the pixels.
func (b *Tab) Width(width int) {
	b.t.Helper()
	if width == Phone {
		b.do("be a phone", chromedp.EmulateViewport(Phone, 740, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch))
		return
	}
	b.do("be a desktop", chromedp.EmulateViewport(int64(width), 800))
}

// Dark asks for dark pages, or for light ones.
func (b *Tab) Dark(dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do("be "+scheme, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// Scripts lets the pages that are opened from now on run scripts, or not.
func (b *Tab) Scripts(on bool) {
	b.t.Helper()
	b.do("switch scripts", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
}

// Look takes pictures of the page on both widths, light and dark, into the folder that the environment names in
// GATEHOUSE_SCREENSHOTS, for somebody to look at. Without that it does nothing.
func (b *Tab) Look(name string) {
	b.t.Helper()
	folder := os.Getenv("GATEHOUSE_SCREENSHOTS")
	if folder == "" {
		return
	}
	for _, width := range []int{Phone, Desktop} {
		for scheme, dark := range map[string]bool{"light": false, "dark": true} {
			b.Width(width)
			b.Dark(dark)
			b.Screenshot(filepath.Join(folder, name+"-"+strconv.Itoa(width)+"-"+scheme+".png"))
		}
	}
	b.Width(Desktop)
	b.Dark(false)
}

// Screenshot writes a picture of the whole page into a PNG file.
func (b *Tab) Screenshot(path string) {
	b.t.Helper()
	if err := os.WriteFile(path, read(b, "screenshot", chromedp.FullScreenshot(100)), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

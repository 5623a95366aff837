package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// People sign in from the command line at a broker, approve on its pages, and work from there.
func TestPersonScripts(t *testing.T) {
	b := apptest.Start(t)
	params := scripts("testdata/person", "")
	params.Setup = func(env *testscript.Env) error {
		env.Setenv("GATEHOUSE_SERVER", b.URL)
		env.Setenv("BROKER", b.URL)
		env.Setenv("GATEHOUSE_CREDENTIALS", "file")
		env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
		env.Setenv("OPERATOR", filepath.Join(b.Data, apptest.Operator+".secret"))
		return nil
	}
	params.Cmds["login"] = func(ts *testscript.TestScript, neg bool, args []string) { scriptLogin(ts, b, neg, args) }
	params.Cmds["parallel"] = parallel
	testscript.Run(t, params)
}

// scriptLogin is "login NAME ARG…": gatehouse login with the arguments, which that person approves in a browser.
func scriptLogin(ts *testscript.TestScript, b *apptest.Broker, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: login NAME ARG…")
	}
	var out bytes.Buffer
	approving := &approver{person: b.SignedIn(args[0])}
	p := &program{
		in: strings.NewReader(""), out: &out, err: approving, config: filepath.Join(ts.Getenv("XDG_CONFIG_HOME"), "gatehouse"),
		environ: []string{"GATEHOUSE_CREDENTIALS=file", "GATEHOUSE_SERVER=" + b.URL},
	}
	p.browse = func(link string) error {
		go approving.browse(strings.TrimPrefix(link, b.URL))
		return nil
	}
	if exit := p.run(b.T.Context(), append([]string{"login"}, args[1:]...)); exit != exitDone {
		ts.Fatalf("login: exit code %d: %s", exit, approving.text.String())
	}
	ts.Check(approving.failed)
	_, err := ts.Stdout().Write(out.Bytes())
	ts.Check(err)
}

// An approver reads what a login says, opens its link, compares the code and approves.
type approver struct {
	person *apptest.Visitor
	text   bytes.Buffer
	done   bool
	failed error
}

// browse opens the link of a login in this machine's browser, agrees when it is asked, and goes where it is sent until that is the
// command line.
func (a *approver) browse(path string) {
	shown := a.person.Get(path)
	for range 10 {
		switch to := shown.Header.Get("Location"); {
		case strings.HasPrefix(to, "http://127.0.0.1:"):
			answer, err := http.Get(to)
			if err == nil {
				_ = answer.Body.Close()
			}
			return
		case to == "":
			shown = a.person.Submit(shown, "/consent", "decision", "accept")
		default:
			shown = a.person.Get(to)
		}
	}
}

var loginLink = regexp.MustCompile(`http\S+(/activate\?user_code=(\S+))\n`)

// Write is for the program, which writes one message after the other.
func (a *approver) Write(text []byte) (int, error) {
	a.text.Write(text)
	link := loginLink.FindStringSubmatch(a.text.String())
	if a.done || link == nil {
		return len(text), nil
	}
	a.done = true
	shown := a.person.Get(link[1])
	if shown.Status != http.StatusOK || !strings.Contains(shown.Body, link[2]) || !strings.Contains(shown.Body, "gatehouse (") {
		a.failed = fmt.Errorf("the page of the device: got %v, want one with the code %s, and gatehouse for what asks", shown, link[2])
		return len(text), nil
	}
	if answer := a.person.Submit(shown, "/activate", "decision", "approve"); answer.Status != http.StatusOK {
		a.failed = fmt.Errorf("approve: got %v", answer)
	}
	return len(text), nil
}

// parallel is "parallel N COMMAND ARG…": N processes at once, which all end well and print the same.
func parallel(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(append(args, "")[0])
	if neg || len(args) < 2 || err != nil {
		ts.Fatalf("usage: parallel N COMMAND ARG…")
	}
	outs, faults := make([]string, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			cmd := exec.Command(args[1], args[2:]...)
			cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"), "GATEHOUSE_CREDENTIALS=file")
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if err != nil {
				faults[i] = fmt.Errorf("process %d: %w: %s", i, err, errs.String())
			}
			outs[i] = string(out)
		})
	}
	all.Wait()
	ts.Check(errors.Join(faults...))
	for i, out := range outs {
		if out != outs[0] {
			ts.Fatalf("process %d printed %q, and process 0 %q", i, out, outs[0])
		}
	}
}

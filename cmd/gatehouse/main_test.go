package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatehouse-id/gatehouse/internal/freeport"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// The scripts run this binary as gatehouse.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gatehouse": main})
}

// Every verb does what its help says, on the embedded store.
func TestScripts(t *testing.T) {
	testscript.Run(t, scripts("testdata/script", ""))
}

// The command line is the same when the server keeps everything in Redis.
func TestScriptsOnRedis(t *testing.T) {
	testscript.Run(t, scripts("testdata/redis", redistest.Start(t).URL()))
}

// patience bounds every wait for another process; nobody waits it out.
const patience = 30 * time.Second

// scripts are the parameters of a folder of scripts. Each script has addresses of its own, which the server and the command line
// find in the environment as users set it.
func scripts(dir, store string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			public, operations, err := freeAddresses()
			if err != nil {
				return err
			}
			env.Setenv("ADDRESS", public)
			env.Setenv("GATEHOUSE_LISTEN", public)
			env.Setenv("GATEHOUSE_OPERATIONS_LISTEN", operations)
			env.Setenv("GATEHOUSE_SERVER", "http://"+public)
			env.Setenv("GATEHOUSE_DRAIN_DELAY", "0s")
			if store != "" {
				env.Setenv("GATEHOUSE_STORE", store)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":   await,
			"exits":   exits,
			"secrets": checkSecrets,
			"mode":    checkMode,
			"capture": capture,
		},
	}
}

// freeAddresses returns two addresses that nobody listens at.
func freeAddresses() (public, operations string, err error) {
	one, err := freeport.Next()
	if err != nil {
		return "", "", err
	}
	two, err := freeport.Next()
	return net.JoinHostPort("127.0.0.1", one), net.JoinHostPort("127.0.0.1", two), err
}

// exits is "exits CODE COMMAND ARG…": the command ends with exactly this exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG…")
	}
	got := "0"
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = strconv.Itoa(exit.ExitCode())
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// await is "await": it returns when the server of the script answers.
func await(ts *testscript.TestScript, _ bool, _ []string) {
	client := &http.Client{Timeout: patience}
	for end := time.Now().Add(patience); ; {
		answer, err := client.Get(ts.Getenv("GATEHOUSE_SERVER") + "/.well-known/oauth-authorization-server")
		if err == nil {
			_ = answer.Body.Close()
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("gatehouse serve does not answer after %v: %v", patience, err)
		}
		time.Sleep(20 * time.Millisecond) // polls another process, which has no clock of ours
	}
}

// checkSecrets is "secrets FILE…": what the files hold shows neither in the output of the last command nor in the command line
// of any process in the background.
func checkSecrets(ts *testscript.TestScript, neg bool, files []string) {
	if neg || len(files) == 0 {
		ts.Fatalf("usage: secrets FILE…")
	}
	places := map[string]string{"standard output": ts.ReadFile("stdout"), "standard error": ts.ReadFile("stderr")}
	for _, cmd := range ts.BackgroundCmds() {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
		if runtime.GOOS == "linux" {
			ts.Check(err)
			if !strings.Contains(string(line), "gatehouse") {
				ts.Fatalf("the command line of process %d is %q", cmd.Process.Pid, line)
			}
		}
		places["a command line"] += string(line)
	}
	for _, file := range files {
		value := strings.TrimSpace(ts.ReadFile(file))
		if len(value) < 8 {
			ts.Fatalf("%s holds no secret", file)
		}
		for place, text := range places {
			if strings.Contains(text, value) {
				ts.Fatalf("%s shows the secret of %s", place, file)
			}
		}
	}
}

// capture is "capture NAME PATTERN": what the pattern's first group matches in the last standard output becomes a variable.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME PATTERN")
	}
	match := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(match) != 2 {
		ts.Fatalf("nothing in standard output is %s", args[1])
	}
	ts.Setenv(args[0], match[1])
}

// checkMode is "mode 0600 FILE…".
func checkMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mode MODE FILE…")
	}
	for _, file := range args[1:] {
		info, err := os.Stat(ts.MkAbs(file))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("%s has mode %s, want %s", file, got, args[0])
		}
	}
}

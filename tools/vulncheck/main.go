// Command vulncheck runs govulncheck, which reports the known vulnerabilities that the
// shipped programs can run into. The database is on the internet. If it cannot be reached,
// vulncheck says so and succeeds, so that "make lint" works without the internet.
//
//	go -C tools run ./vulncheck ..
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"
)

// database is the Go project's database of vulnerabilities.
const database = "https://vuln.go.dev"

// patience is how long the database may take to answer.
const patience = 15 * time.Second

func main() {
	db := flag.String("db", database, "`address` of the database of vulnerabilities")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: vulncheck [-db=ADDRESS] REPOSITORY")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := check(ctx, *db, os.Stdout, func() error { return govulncheck(ctx, *db, flag.Arg(0)) })
	if err != nil {
		fmt.Fprintf(os.Stderr, "vulncheck: %v\n", err)
		os.Exit(1)
	}
}

// check calls run if the database can be reached.
func check(ctx context.Context, db string, out io.Writer, run func() error) error {
	if err := reach(ctx, db); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(out, "Not checking for known vulnerabilities: %v\n", err)
		return nil
	}
	return run()
}

// reach fetches the database's smallest file.
func reach(ctx context.Context, db string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(db, "/")+"/index/db.json", http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("the database cannot be reached: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the database %s answers %s", db, response.Status)
	}
	return nil
}

// govulncheck checks the root module, which has everything that is shipped. The other
// modules are tools for developers and tests.
func govulncheck(ctx context.Context, db, repository string) error {
	cmd := exec.CommandContext(ctx, "go", "tool", "-modfile=tools/go.mod", "govulncheck", "-db="+db, "./...")
	cmd.Dir, cmd.Stdout, cmd.Stderr = repository, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("govulncheck: %w", err)
	}
	return nil
}

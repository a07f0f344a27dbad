package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// measureUp starts a separate local cluster from a warm cache, records the time of each line of
// progress, and deletes the cluster.
func measureUp(ctx context.Context, o options, r *report) error {
	name := fmt.Sprintf("bench-%d", os.Getpid())
	if _, err := os.Stat(o.up); err != nil {
		return fmt.Errorf("%w: run \"make up\" first", err)
	}
	defer func() {
		down := exec.Command(o.up, "down", "--cluster", name)
		if out, err := down.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "take %s down: %v\n%s", name, err, out)
		}
	}()
	cmd := exec.CommandContext(ctx, o.up, "up", "--cluster", name)
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = write, write
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = write.Close()
	lines := timed(read, begin)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", cmd, err, lines.last())
	}
	r.add(result{Target: "up", Name: "cluster and operator ready, warm", Unit: "s", Values: []float64{time.Since(begin).Seconds()}, Goal: 10})
	for _, l := range lines {
		// Lines that begin with dots only report that a step continues.
		if text := strings.Join(strings.Fields(l.text), " "); !strings.HasPrefix(text, "...") {
			r.add(result{Target: "up", Name: "… until: " + text, Unit: "s", Values: []float64{l.at}})
		}
	}
	return nil
}

type timedLine struct {
	at   float64
	text string
}

type timedLines []timedLine

func (t timedLines) last() string {
	if len(t) == 0 {
		return ""
	}
	return t[len(t)-1].text
}

// timed reads lines to the end and records the time of each. Processes that the command leaves
// running must not keep the pipe open.
func timed(from io.Reader, begin time.Time) timedLines {
	var lines timedLines
	scanner := bufio.NewScanner(from)
	for scanner.Scan() {
		lines = append(lines, timedLine{time.Since(begin).Seconds(), scanner.Text()})
	}
	return lines
}

package logs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// opener opens a log.
type opener func(context.Context, *corev1.PodLogOptions) (io.ReadCloser, error)

// line is a line of a log, and when it was written: zero if that is not known.
type line struct {
	at        time.Time
	raw, text string // with and without the time
}

// parse takes the time from the beginning of a line, where the kubelet puts it.
func parse(raw string) line {
	stamp, text, _ := strings.Cut(raw, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return line{raw: raw, text: raw}
	}
	return line{at, raw, text}
}

// merged prints the logs of several containers as one, by the time of their lines.
func merged(ctx context.Context, open opener, containers []string, o Options, out io.Writer) error {
	var all []line
	last := map[string]time.Time{}
	for _, container := range containers {
		request := o.request(container)
		request.Follow, request.Timestamps = false, true
		if err := each(ctx, open, request, func(l line) {
			if l.at.Before(last[container]) {
				l.at = last[container] // A line without a time belongs to the line before.
			}
			last[container] = l.at
			all = append(all, l)
		}); err != nil {
			return err
		}
	}
	slices.SortStableFunc(all, func(a, b line) int { return a.at.Compare(b.at) })
	if o.Tail >= 0 && int64(len(all)) > o.Tail {
		all = all[int64(len(all))-o.Tail:]
	}
	for _, l := range all {
		if err := o.print(out, l); err != nil {
			return err
		}
	}
	if !o.Follow {
		return nil
	}
	return follow(ctx, open, containers, last, o, out)
}

// follow prints new lines of all containers until their logs end. last is the time of
// each container's last line that was printed.
func follow(ctx context.Context, open opener, containers []string, last map[string]time.Time, o Options, out io.Writer) error {
	var mu sync.Mutex
	var group sync.WaitGroup
	errs := make([]error, len(containers))
	for i, container := range containers {
		request := o.request(container)
		request.Timestamps = true
		if !last[container].IsZero() {
			request.SinceSeconds, request.TailLines = nil, nil
			request.SinceTime = &metav1.Time{Time: last[container]} // in whole seconds, so lines come again
		}
		group.Go(func() {
			errs[i] = each(ctx, open, request, func(l line) {
				if !l.at.IsZero() && !l.at.After(last[container]) {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				_ = o.print(out, l) // writing to a closed pipe ends the program
			})
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func (o Options) print(out io.Writer, l line) error {
	text := l.text
	if o.Timestamps {
		text = l.raw
	}
	_, err := io.WriteString(out, text+"\n")
	return err
}

// each calls do with each line of a log.
func each(ctx context.Context, open opener, request *corev1.PodLogOptions, do func(line)) error {
	logs, err := open(ctx, request)
	if err != nil {
		return err
	}
	defer logs.Close()
	reader := bufio.NewReader(logs)
	for {
		raw, err := reader.ReadString('\n')
		if raw != "" {
			do(parse(strings.TrimSuffix(raw, "\n")))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

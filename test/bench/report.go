package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// report is everything that was measured.
type report struct {
	Time   time.Time `json:"time"`
	CPUs   int       `json:"cpus"`
	Kernel string    `json:"kernel"`
	// Load is the machine's one-minute load average at the start, which shows the load of
	// other programs. LoadAfter is the same at the end, and includes the measurement's load.
	Load      string `json:"load"`
	LoadAfter string `json:"loadAfter"`
	// Setting describes the conditions of the measurement, one per line.
	Setting []string `json:"setting,omitempty"`
	Results []result `json:"results"`
}

// result is one line of the table.
type result struct {
	Target string    `json:"target"`
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Values []float64 `json:"values,omitempty"` // every measurement, in order
	P50    float64   `json:"p50"`
	P99    float64   `json:"p99"`
	Max    float64   `json:"max"`
	// Share is this stage's share of the whole duration, by the medians.
	Share float64 `json:"share,omitempty"`
	// Goal is the project's upper limit for the value, in the unit, or 0 for none.
	Goal float64 `json:"goal,omitempty"`
	// Least is the project's lower limit, for values where more is better.
	Least float64 `json:"least,omitempty"`
	// Zero is set if the goal is 0.
	Zero bool   `json:"zero,omitempty"`
	Note string `json:"note,omitempty"`
}

func newReport() *report {
	r := &report{Time: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU()}
	var name syscall.Utsname
	if syscall.Uname(&name) == nil {
		for _, c := range name.Release {
			if c == 0 {
				break
			}
			r.Kernel += string(rune(c))
		}
	}
	r.Load = load()
	return r
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return minute
}

// add appends a result and computes its percentiles.
func (r *report) add(x result) {
	if len(x.Values) > 0 {
		x.P50, x.P99, x.Max = percentile(x.Values, 50), percentile(x.Values, 99), percentile(x.Values, 100)
	}
	r.Results = append(r.Results, x)
}

// percentile returns the percentile p by nearest rank: the smallest value that is greater than
// or equal to at least p percent of the values.
func percentile(values []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%d CPUs, load %s before and %s after, kernel %s, %s\n", r.CPUs, r.Load, r.LoadAfter, r.Kernel, r.Time.Format(time.RFC3339))
	for _, line := range r.Setting {
		fmt.Fprintln(w, line)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	target := ""
	for _, x := range r.Results {
		if x.Target != target {
			target = x.Target
			_ = table.Flush()
			fmt.Fprintf(w, "\n%s\n", target)
			fmt.Fprintln(table, "\tp50\tp99\tshare\tgoal\tn\t ")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t  %s\n", x.Name, amount(x.P50, x.Unit), amount(x.P99, x.Unit), share(x.Share), goal(x), len(x.Values), x.Note)
	}
	_ = table.Flush()
}

func amount(v float64, unit string) string {
	switch unit {
	case "s":
		return fmt.Sprintf("%.3f s", v)
	case "":
		return strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00")
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

func share(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", v*100)
}

func goal(x result) string {
	if x.Zero {
		return "0"
	}
	bound := func(sign string, v float64) string {
		return sign + " " + strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".") + " " + x.Unit
	}
	switch {
	case x.Goal != 0:
		return bound("≤", x.Goal)
	case x.Least != 0:
		return bound("≥", x.Least)
	}
	return ""
}

func (r *report) write(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

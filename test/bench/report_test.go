package main

import "testing"

func TestPercentileIsTheNearestRank(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, tc := range []struct {
		values  []float64
		p, want float64
	}{
		{[]float64{7}, 50, 7},
		{[]float64{7}, 99, 7},
		{[]float64{3, 1, 2}, 50, 2},
		{[]float64{4, 1, 3, 2}, 50, 2},
		{[]float64{4, 1, 3, 2}, 99, 4},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
	} {
		if got := percentile(tc.values, tc.p); got != tc.want {
			t.Errorf("the %v th percentile of %v is %v; want %v", tc.p, tc.values, got, tc.want)
		}
	}
}

func TestGoalsOfScale(t *testing.T) {
	if got := scaled(60, 10000); got != 600 {
		t.Errorf("60 s for 1,000 are %v for 10,000; want 600", got)
	}
	if upTo1000(80, 1000) != 80 || upTo1000(80, 1001) != 0 {
		t.Error("a goal for up to 1,000 servers is not for 1,000, or is for more")
	}
}

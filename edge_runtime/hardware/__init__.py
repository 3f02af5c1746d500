"""What the device says about itself: temperatures, clocks, power and throttling, read from sysfs and /proc."""

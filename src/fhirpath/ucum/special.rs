//! Units that convert by a function instead of a factor.

/// The function of a special unit, with the factor of its prefix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Special {
    function: Function,
    prefix: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Celsius,
    Fahrenheit,
    Reaumur,
    Slope,
    Homeopathic(f64),
    Ph,
    Power(f64, f64),
    Square,
}

impl Special {
    /// The function that the table names.
    pub(super) fn named(name: &str) -> Option<Special> {
        let function = match name {
            "Cel" => Function::Celsius,
            "degF" => Function::Fahrenheit,
            "degRe" => Function::Reaumur,
            "tanTimes100" | "100tan" => Function::Slope,
            "hpX" => Function::Homeopathic(10.0),
            "hpC" => Function::Homeopathic(100.0),
            "hpM" => Function::Homeopathic(1000.0),
            "hpQ" => Function::Homeopathic(50_000.0),
            "pH" => Function::Ph,
            "ln" => Function::Power(std::f64::consts::E, 1.0),
            "lg" => Function::Power(10.0, 1.0),
            "lgTimes2" => Function::Power(10.0, 2.0),
            "ld" => Function::Power(2.0, 1.0),
            "sqrt" => Function::Square,
            _ => return None,
        };
        Some(Special { function, prefix: 1.0 })
    }

    /// The same with a prefix.
    pub(super) fn prefixed(self, factor: f64) -> Special {
        Special { prefix: self.prefix * factor, ..self }
    }

    /// The value in the proper unit that the table gives.
    pub(super) fn to_proper(self, value: f64) -> f64 {
        let value = value * self.prefix;
        match self.function {
            Function::Celsius => value + 273.15,
            Function::Fahrenheit => value + 459.67,
            Function::Reaumur => value + 273.15 * 4.0 / 5.0,
            Function::Slope => (value / 100.0).atan(),
            Function::Homeopathic(base) => base.powf(-value),
            Function::Ph => 10f64.powf(-value),
            Function::Power(base, times) => base.powf(value / times),
            Function::Square => value * value,
        }
    }
}

//! Records and messages as bytes: the parts of an event file.
//!
//! A file is a sequence of records (TensorFlow's `record_writer.h`), each a message in protocol buffer
//! encoding. This is the part that scalars need, a few dozen lines; a crate would bring a protocol buffer
//! compiler with it.

/// A protocol buffer message, field by field: the field's number and its wire type, then the value.
#[derive(Debug, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    pub fn varint(mut self, field: u64, value: u64) -> Message {
        self.number(field << 3);
        self.number(value);
        self
    }

    pub fn double(mut self, field: u64, value: f64) -> Message {
        self.number(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn bytes(mut self, field: u64, value: &[u8]) -> Message {
        self.number(field << 3 | 2);
        self.number(value.len() as u64);
        self.0.extend(value);
        self
    }

    pub fn float(mut self, field: u64, value: f32) -> Message {
        self.number(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Seven bits per byte, the lowest first; the high bit is set if more bytes follow.
    fn number(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// A record: the length and the data, each followed by its checksum.
pub fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length, &masked(crc32c(&length)).to_le_bytes()[..], data, &masked(crc32c(data)).to_le_bytes()].concat()
}

/// A checksum in the form that records store: a plain CRC is weak on data that contain CRCs.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), byte by byte.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let (mut crc, mut bit) = (byte as u32, 0);
            while bit < 8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc: u32, byte| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)])
}

#[cfg(test)]
pub mod reading {
    //! A reader of records, written independently.

    /// The checksum bit by bit, as the polynomial is defined: highest bit first, on reflected bytes.
    pub fn slow_crc(bytes: &[u8]) -> u32 {
        let mut crc = !0_u32;
        for bit in bytes.iter().flat_map(|byte| (0..8).map(move |bit| u32::from(byte >> bit & 1))) {
            let out = crc >> 31 ^ bit;
            crc = crc << 1 ^ if out == 1 { 0x1edc_6f41 } else { 0 };
        }
        !crc.reverse_bits()
    }

    /// Whole records, and whether more bytes follow them.
    pub fn records(mut bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
        let check = |data: &[u8], stored: &[u8]| {
            let unmasked = u32::from_le_bytes(stored.try_into().unwrap()).wrapping_sub(0xa282_ead8);
            assert_eq!(unmasked.rotate_left(15), slow_crc(data));
        };
        let mut records = Vec::new();
        while let Some((head, rest)) = bytes.split_at_checked(12) {
            check(&head[..8], &head[8..]);
            let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
            let Some((data, rest)) = rest.split_at_checked(length + 4) else { break };
            check(&data[..length], &data[length..]);
            records.push(data[..length].to_vec());
            bytes = rest;
        }
        (records, !bytes.is_empty())
    }

    #[derive(Debug, PartialEq)]
    pub enum Value {
        Number(u64),
        Double(f64),
        Bytes(Vec<u8>),
        Float(f32),
    }

    /// The fields of a message.
    pub fn fields(bytes: &[u8]) -> Vec<(u64, Value)> {
        let mut bytes = bytes.iter().copied();
        let mut fields = Vec::new();
        while bytes.len() > 0 {
            let mut number = || {
                let (mut value, mut shift) = (0, 0);
                loop {
                    let byte = bytes.next().unwrap();
                    value += u64::from(byte % 128) << shift;
                    shift += 7;
                    if byte < 128 {
                        return value;
                    }
                }
            };
            let key = number();
            let value = match key % 8 {
                0 => Value::Number(number()),
                1 => Value::Double(f64::from_le_bytes(std::array::from_fn(|_| bytes.next().unwrap()))),
                2 => {
                    let length = number() as usize;
                    Value::Bytes(bytes.by_ref().take(length).collect())
                }
                5 => Value::Float(f32::from_le_bytes(std::array::from_fn(|_| bytes.next().unwrap()))),
                other => panic!("form {other}"),
            };
            fields.push((key / 8, value));
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::crc32c;
    use super::reading::slow_crc;

    #[test]
    fn checksums_are_those_of_the_literature() {
        // RFC 3720, appendix B.4, and the check value of the catalog of CRCs.
        let cases: [(&[u8], u32); 4] = [
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&std::array::from_fn::<u8, 32, _>(|i| i as u8), 0x46dd_794e),
        ];
        for (bytes, crc) in cases {
            assert_eq!((crc32c(bytes), slow_crc(bytes)), (crc, crc));
        }
    }
}

fn item(i: u32) {
    store_losses(i, loss(i));
}
